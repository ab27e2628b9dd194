"""How many invoices stand in which state, kept up to date by the commits that change it: counting millions would take long.

Each writer adds to rows of its own, so that no commit waits for another's; whoever opens the ledger adds them up.
"""

from __future__ import annotations

from collections import Counter

from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.migrations import insist
from kaipiao.ledger.postgresql.session import Session


class Moves:
    """What a commit changes of the counts: (taxpayer, state) and by how much."""

    def __init__(self) -> None:
        self._sums: Counter[tuple[str, str]] = Counter()

    def enter(self, taxpayer: str, state: str, count: int = 1) -> None:
        """Invoices that were not there before."""
        self._sums[(taxpayer, str(state))] += count

    def move(self, taxpayer: str, before: str, after: str, count: int = 1) -> None:
        self._sums[(taxpayer, str(before))] -= count
        self._sums[(taxpayer, str(after))] += count

    @property
    def columns(self) -> tuple[list[str], list[str], list[int]]:
        """Taxpayers, states, differences; in the order in which everybody locks them."""
        changed = sorted((*key, count) for key, count in self._sums.items() if count)
        return [c[0] for c in changed], [c[1] for c in changed], [c[2] for c in changed]

    def __bool__(self) -> bool:
        return any(self._sums.values())


async def add_up(session: Session) -> None:
    """Put the rows of all writers, most of them gone, into one of each state. A writer that goes on begins anew."""

    async def once() -> None:
        async with session.connection.transaction():
            await session.connection.fetch(sql.LOCK_STATE_COUNTS)
            await session.connection.execute(sql.ADD_UP_STATE_COUNTS)

    await insist(once)
