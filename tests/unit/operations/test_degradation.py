"""Steps down in time while work waits, never for idleness, and back up without swinging."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from kaipiao.ledger.port import EventDraft
from kaipiao.operations.degradation.ladder import Ladder, LadderRules, Level
from kaipiao.operations.degradation.state import Degradation, Lighter

RULES = LadderRules(design=100.0)


def test_each_level_comes_within_the_time_of_the_brief() -> None:
    ladder = Ladder(RULES, 0.0)
    reached: dict[Level, float] = {}
    for second in range(7201):
        reached.setdefault(ladder.look(float(second), 69.0, True), float(second))
    assert reached[Level.L1] <= 300
    assert reached[Level.L2] <= 1800
    assert reached[Level.L3] <= 7200


def test_a_platform_with_nothing_to_do_is_not_slow() -> None:
    ladder = Ladder(RULES, 0.0)
    assert {ladder.look(float(second), 0.0, False) for second in range(8000)} == {Level.NORMAL}


def test_between_trigger_and_release_it_stays_where_it_is() -> None:
    ladder = Ladder(RULES, 0.0)
    for second in range(100):
        ladder.look(float(second), 50.0, True)
    assert {ladder.look(float(second), 80.0, True) for second in range(100, 5000)} == {Level.L1}


def test_it_comes_back_step_by_step() -> None:
    ladder = Ladder(RULES, 0.0)
    for second in range(4000):
        ladder.look(float(second), 10.0, True)
    assert ladder.level is Level.L3
    seen = [ladder.look(4000.0 + second, 95.0, True) for second in range(1000)]
    assert seen[299] is Level.L3
    assert seen[301] is Level.L2
    assert seen[601] is Level.L1
    assert seen[901] is Level.NORMAL


@given(st.lists(st.tuples(st.floats(0, 200), st.booleans()), min_size=1, max_size=400))
def test_it_never_moves_up_faster_than_calm_allows_and_never_down_before_its_time(
    looks: list[tuple[float, bool]],
) -> None:
    ladder = Ladder(LadderRules(design=100.0, after=(60, 900, 3600), calm=300), 0.0)
    level, changed, below = Level.NORMAL, 0.0, 0.0
    for place, (rate, waits) in enumerate(looks):
        now = place * 10.0
        following = ladder.look(now, rate, waits)
        below = below + 10.0 if waits and rate < 70.0 else (0.0 if not waits or rate >= 85.0 else below + 10.0)
        if following > level:
            assert below >= 60.0
            changed = now
        elif following < level:
            assert following == level - 1
            assert now - changed >= 300.0
            changed = now
        level = following


def test_changes_are_told_once_and_a_level_by_hand_holds_until_it_is_let_go() -> None:
    told: list[tuple[str, object, object]] = []
    orders = [0]
    time = [0.0]

    async def append(events: Sequence[EventDraft]) -> None:
        told.extend((event.kind, event.data["level"], event.data.get("actor")) for event in events)

    async def story() -> None:
        rules = LadderRules(design=100.0, after=(20.0, 100.0, 1000.0), calm=30.0)
        load = Degradation(rules, Lighter(), lambda: orders[0], lambda: 5, append, "n1", now=lambda: time[0])
        for _ in range(40):
            await load.look()
            time[0] += 1.0
            orders[0] += 10
        assert told == [("degrade.raised", 1, None)]
        assert 0.09 < load.share < 0.11
        await load.set_by_hand(Level.L3, "drill", "ops")
        await load.look()
        assert load.level is Level.L3
        assert told[1:] == [("degrade.raised", 3, "ops")]
        await load.set_by_hand(None, None, "ops")
        assert told[2:] == [("degrade.lowered", 1, "ops")]
        for _ in range(60):
            await load.look()
            time[0] += 1.0
            orders[0] += 200
        assert told[3:] == [("degrade.lowered", 0, None)]

    asyncio.run(story())
