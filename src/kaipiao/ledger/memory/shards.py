"""Shards and standings in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import HeldShard
from kaipiao.ledger.port import Holding, Standing
from kaipiao.ledger.shards import share


class Shards(Handle):
    """The shard operations of the port."""

    async def hold_shards(
        self, node: str, taxpayers: Collection[str], seconds: float, *, short: Collection[str] = ()
    ) -> Holding:
        now = self._lease_clock()
        shards, nodes = self.store.shards, self.store.nodes
        for gone in [name for name, until in nodes.items() if until + 86400 <= now]:
            del nodes[gone]  # its shards are free since long
        nodes[node] = now + seconds
        for taxpayer in taxpayers:
            shards.setdefault(taxpayer, HeldShard())
        for taxpayer in short:
            if taxpayer in shards:
                shards[taxpayer].short = True
        live = {name for name, until in nodes.items() if until > now}
        held = Counter(dict.fromkeys(live, 0))
        held.update(s.node for s in shards.values() if s.node in live)
        take, surplus = share(len(shards), held, node)
        free = sorted(taxpayer for taxpayer, s in shards.items() if s.node not in live)
        for taxpayer in free[:take]:
            shards[taxpayer].node = node
            shards[taxpayer].epoch += 1
        mine = frozenset(taxpayer for taxpayer, s in shards.items() if s.node == node)
        told = frozenset(taxpayer for taxpayer in mine if shards[taxpayer].short)
        for taxpayer in told:
            shards[taxpayer].short = False
        present = frozenset(name for name, until in nodes.items() if until + seconds > now)
        return Holding(mine, told, surplus, present)

    async def release_shards(self, node: str, taxpayers: Collection[str] | None = None) -> None:
        for taxpayer, shard in self.store.shards.items():
            if shard.node == node and (taxpayers is None or taxpayer in taxpayers):
                shard.node = None
        if taxpayers is None:
            self.store.nodes.pop(node, None)

    async def save_standing(self, taxpayer: str, refusal: str | None, at: datetime) -> None:
        known = self.store.standings.get(taxpayer)
        if known is None or known.at <= at:
            self.store.standings[taxpayer] = Standing(refusal, at)

    async def standings(self) -> dict[str, Standing]:
        return dict(self.store.standings)
