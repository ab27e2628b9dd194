"""Shards and standings in PostgreSQL: a node says with one row that it is there, however many shards it holds."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from kaipiao.ledger.port import Holding, Standing
from kaipiao.ledger.postgresql import shard_statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.texts import original, stored
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.shards import share
from kaipiao.ledger.trail import instant_of, microseconds


class Shards(Handle):
    """The shard operations of the port."""

    async def hold_shards(
        self, node: str, taxpayers: Collection[str], seconds: float, *, short: Collection[str] = ()
    ) -> Holding:
        wanted, used_up, now = sorted(taxpayers), sorted(short), self._lease_now()

        async def hold(transaction: Transaction) -> Holding:
            await _lock(transaction)
            await transaction.execute(sql.FORGET_NODES, now)
            await transaction.execute(sql.BE_THERE, now, node, seconds)
            await transaction.execute(sql.MAKE_SHARDS, wanted)
            if used_up:
                await transaction.execute(sql.MARK_SHORT, used_up)
            return await _hold(transaction, node, now, seconds)

        return await self._write(hold)

    async def release_shards(self, node: str, taxpayers: Collection[str] | None = None) -> None:
        async def release(transaction: Transaction) -> None:
            await _lock(transaction)
            if taxpayers is None:
                await transaction.execute(sql.RELEASE_ALL_SHARDS, node)
                await transaction.execute(sql.GO, node)
            else:
                await transaction.execute(sql.RELEASE_SHARDS, node, sorted(taxpayers))

        await self._write(release)

    async def save_standing(self, taxpayer: str, refusal: str | None, at: datetime) -> None:
        row = (taxpayer, stored(refusal), microseconds(at))
        await self._write(lambda transaction: transaction.execute(sql.SAVE_STANDING, *row))

    async def standings(self) -> dict[str, Standing]:
        found = await self._fetch(sql.STANDINGS)
        return {taxpayer: Standing(original(refusal), instant_of(at)) for taxpayer, refusal, at in found}


async def _lock(transaction: Transaction) -> None:
    await transaction.value(sql.HURRY)
    await transaction.rows(sql.LOCK_SHARDS)


async def _hold(transaction: Transaction, node: str, now: float | None, seconds: float) -> Holding:
    nodes = await transaction.rows(sql.NODES, now, seconds)
    live = [name for name, is_live, _ in nodes if is_live]
    counts = dict(tuple(row) for row in await transaction.rows(sql.SHARD_COUNTS))
    take, surplus = share(sum(counts.values()), {name: counts.get(name, 0) for name in live}, node)
    if take:
        await transaction.execute(sql.TAKE_SHARDS, node, live, take)
    mine = await transaction.rows(sql.SHARDS_OF_NODE, node)
    told = frozenset(taxpayer for taxpayer, short in mine if short)
    if told:
        await transaction.execute(sql.CLEAR_SHORT, node)
    present = frozenset(name for name, _, is_present in nodes if is_present)
    return Holding(frozenset(taxpayer for taxpayer, _ in mine), told, surplus, present)
