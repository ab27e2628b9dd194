"""How many shards each node holds. Pure; the same for every ledger."""

from __future__ import annotations

from collections.abc import Mapping


def share(total: int, held: Mapping[str, int], node: str) -> tuple[int, int]:
    """(how many to take now, how many to let go) for a node, given how many each live node holds, itself among them.

    Everybody gets `total` divided by the nodes, rounded down, before anybody gets the one that rounding up adds; who has
    more than that lets the rest go. When nobody lacks any, nothing moves: there is no flapping.
    """
    least, odd = divmod(total, len(held))
    most = least + (1 if odd else 0)
    mine = held[node]
    free = total - sum(held.values())
    others_lack = sum(max(0, least - count) for name, count in held.items() if name != node)
    take = min(free, max(0, least - mine))
    spare = free - take - others_lack
    take += max(0, min(spare, most - mine - take))
    owed = max(0, others_lack - free)
    return take, max(0, mine - most, min(mine - least, owed))
