"""Shards and standings in SQLite. One process has the file to itself; it holds them by the same rules all the same."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from kaipiao.ledger.port import Holding, Standing
from kaipiao.ledger.shards import share
from kaipiao.ledger.sqlite import shard_statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds


class Shards(Handle):
    """The shard operations of the port."""

    async def hold_shards(
        self, node: str, taxpayers: Collection[str], seconds: float, *, short: Collection[str] = ()
    ) -> Holding:
        now = self._lease_clock()
        wanted, used_up = sorted(taxpayers), sorted(short)

        def hold(transaction: Transaction) -> Holding:
            transaction.execute(sql.FORGET_NODES, (now,))
            transaction.execute(sql.BE_THERE, (node, now + seconds))
            transaction.many(sql.MAKE_SHARD, [(taxpayer,) for taxpayer in wanted])
            transaction.many(sql.MARK_SHORT, [(taxpayer,) for taxpayer in used_up])
            return _hold(transaction, node, now, seconds)

        return await self._write(hold)

    async def release_shards(self, node: str, taxpayers: Collection[str] | None = None) -> None:
        def release(transaction: Transaction) -> None:
            if taxpayers is None:
                transaction.execute(sql.RELEASE_SHARDS, (node,))
                transaction.execute(sql.GO, (node,))
            else:
                transaction.many(sql.RELEASE_SHARD, [(node, taxpayer) for taxpayer in sorted(taxpayers)])

        await self._write(release)

    async def save_standing(self, taxpayer: str, refusal: str | None, at: datetime) -> None:
        row = (taxpayer, refusal, microseconds(at))
        await self._write(lambda transaction: transaction.execute(sql.SAVE_STANDING, row).rowcount)

    async def standings(self) -> dict[str, Standing]:
        found = await self._read(lambda c: c.execute(sql.STANDINGS).fetchall())
        return {taxpayer: Standing(refusal, instant_of(at)) for taxpayer, refusal, at in found}


def _hold(transaction: Transaction, node: str, now: float, seconds: float) -> Holding:
    nodes: list[Any] = transaction.execute(sql.NODES).fetchall()
    counts: dict[str | None, int] = dict(transaction.execute(sql.SHARD_COUNTS, (now,)).fetchall())
    held = {name: counts.get(name, 0) for name, until in nodes if until > now}
    take, surplus = share(sum(counts.values()), held, node)
    if take:
        transaction.execute(sql.TAKE_SHARDS, (node, now, take))
    mine: list[Any] = transaction.execute(sql.SHARDS_OF_NODE, (node,)).fetchall()
    told = frozenset(taxpayer for taxpayer, short in mine if short)
    if told:
        transaction.execute(sql.CLEAR_SHORT, (node,))
    present = frozenset(name for name, until in nodes if until + seconds > now)
    return Holding(frozenset(taxpayer for taxpayer, _ in mine), told, surplus, present)
