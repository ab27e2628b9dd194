"""How many shards each node holds, whatever joins and dies in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kaipiao.ledger.shards import share

COUNTS = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def rounds(total: int, held: dict[str, int], times: int) -> dict[str, int]:
    for _ in range(times):
        for node in list(held):
            take, surplus = share(total, held, node)
            assert 0 <= take <= total - sum(held.values())
            assert 0 <= surplus <= held[node]
            assert not (take and surplus)
            held[node] += take - surplus
    return held


@given(COUNTS, st.integers(0, 30))
def test_in_a_few_rounds_everything_is_held_evenly_and_nothing_moves_any_more(counts: list[int], free: int) -> None:
    held = {f"n{place}": count for place, count in enumerate(counts)}
    total = sum(counts) + free
    even = rounds(total, held, 4)
    assert sum(even.values()) == total
    assert max(even.values()) - min(even.values()) <= 1
    assert all(share(total, even, node) == (0, 0) for node in even)
