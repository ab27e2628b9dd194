"""The taxpayers that this node works for. Any node serves any request; wire calls for a taxpayer come from one node only.

So the far side's limits, which are per platform and taxpayer, need no division among nodes: who holds the taxpayer has
its whole pace, the others make no call. Taken over, the pace begins anew: one call may come sooner than the limit says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from kaipiao.issuing.policy import Policy
from kaipiao.ledger.port import Ledger

log = logging.getLogger(__name__)


def since_boot() -> float:
    """Seconds that go on while the machine sleeps, as the lease does: else a node that was asleep would take it for its own."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Shards:
    """Holds this node's share of the taxpayers, by a lease on the ledger's clock. `now`: real seconds that only go on."""

    def __init__(
        self,
        ledger: Ledger,
        node: str,
        taxpayers: Collection[str],
        policy: Policy,
        now: Callable[[], float] = since_boot,
    ) -> None:
        self._ledger = ledger
        self._node = node
        self._taxpayers = taxpayers
        self._seconds = policy.shard_seconds
        self._now = now
        self._mine: frozenset[str] = frozenset()
        self._until = 0.0
        self._present: frozenset[str] = frozenset()
        self._short: set[str] = set()

    def holds(self, taxpayer: str) -> bool:
        """Whether a call may begin: it is ours, and the lease has still a fifth of its time. A call that has begun goes on
        to its end whatever becomes of the lease; what it finds out is a conditional change."""
        return taxpayer in self._mine and self._now() < self._until

    def held(self) -> frozenset[str]:
        """All that calls may begin for."""
        return self._mine if self._now() < self._until else frozenset()

    def is_gone(self, node: str) -> bool:
        """Whether a node has not been there for two leases: no call of it is followed by anybody any more."""
        return bool(self._present) and node not in self._present

    def leads(self) -> bool:
        """Whether this node is the first by name of those that are there. For a moment two may believe it, or none."""
        return self._node == min(self._present, default="") and self._now() < self._until

    def ask_for_stock(self, taxpayer: str) -> None:
        """Tell the holder, with the next round, that this taxpayer's numbers or quota are used up."""
        self._short.add(taxpayer)

    async def round(self, busy: Callable[[], Collection[str]]) -> tuple[bool, frozenset[str]]:
        """Renew, take, let go. `busy`: taxpayers with a call under way, which stay. Returns whether there are new ones, and
        for which of ours another node wants stock."""
        began = self._now()
        short, self._short = self._short, set()
        try:
            holding = await self._ledger.hold_shards(self._node, self._taxpayers, self._seconds, short=short)
        except BaseException:
            self._short |= short
            raise
        new = holding.mine - self._mine
        lost = self._mine - holding.mine
        self._mine, self._present = holding.mine, holding.present
        self._until = began + self._seconds * 0.8
        if new or lost:
            log.info("shards", extra={"held": len(self._mine), "taken": len(new), "lost": len(lost)})
        if holding.surplus:
            await self._let_go(holding.surplus, busy())
        return bool(new), holding.short

    async def leave(self) -> None:
        """Clean shutdown: the others may take all of it at once."""
        self._mine = frozenset()
        await self._ledger.release_shards(self._node)

    async def _let_go(self, surplus: int, busy: Collection[str]) -> None:
        """First for ourselves, so that nothing begins any more, then for the others."""
        going = sorted(self._mine.difference(busy))[:surplus]
        self._mine -= set(going)
        if going:
            await self._ledger.release_shards(self._node, going)
