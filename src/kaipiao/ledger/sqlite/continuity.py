"""Checkpoints and hours, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime

from kaipiao.invoice.lifecycle import DEBT
from kaipiao.ledger.changes import money
from kaipiao.ledger.continuity import Checkpoint, HourTotal, hours_to_count
from kaipiao.ledger.port import Event, EventDraft
from kaipiao.ledger.rows import event_of, instant
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.reading import oldest_debt_of
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds

# lint: all taxpayers: events of the platform, no taxpayer's
SIGNALS = f"""
SELECT {sql.EVENT_COLUMNS} FROM event
WHERE taxpayer IS NULL AND position > ? AND kind IN (SELECT value FROM json_each(?)) ORDER BY position LIMIT ?
"""  # noqa: S608
# lint: all taxpayers: which node works for whom
SHARD_HOLDERS = "SELECT taxpayer, node FROM shard WHERE node IS NOT NULL"
CHECKPOINT = "SELECT version, content FROM checkpoint WHERE name = ?"
FIRST_CHECKPOINT = """
INSERT INTO checkpoint (name, version, content) VALUES (?, 1, ?) ON CONFLICT (name) DO NOTHING
"""
NEXT_CHECKPOINT = "UPDATE checkpoint SET version = version + 1, content = ? WHERE name = ? AND version = ?"
# From one taxpayer to the next through the index of a state: who owes nothing costs nothing.
# lint: all taxpayers: who has invoices in this state
OWING = """
WITH RECURSIVE owing (taxpayer) AS (
    SELECT min(taxpayer) FROM invoice WHERE state = ?1 AND state <> 'confirmed'
    UNION ALL
    SELECT (SELECT min(taxpayer) FROM invoice WHERE state = ?1 AND state <> 'confirmed' AND taxpayer > owing.taxpayer)
    FROM owing WHERE owing.taxpayer IS NOT NULL
)
SELECT taxpayer FROM owing WHERE taxpayer IS NOT NULL
"""
# The oldest of a state comes first in its index: almost always the first row is of this channel.
DEBT_OF = """
SELECT made_at FROM invoice WHERE taxpayer = ? AND channel = ? AND state = ? AND state <> 'confirmed' ORDER BY made_at LIMIT 1
"""
LAST_HOUR = "SELECT max(hour) FROM hour_total WHERE taxpayer = ?"
FIRST_MADE = "SELECT min(made_at) FROM invoice WHERE taxpayer = ? AND made_at >= ?"
KEEP_HOUR = """
INSERT INTO hour_total (taxpayer, hour, invoices, quota)
SELECT ?1, ?2, count(*), coalesce(sum(quota), 0) FROM invoice
WHERE taxpayer = ?1 AND made_at >= ?2 AND made_at < ?2 + 3600000000 AND number IS NOT NULL
ON CONFLICT (taxpayer, hour) DO NOTHING
"""
FORGET_HOURS = "DELETE FROM hour_total WHERE taxpayer = ? AND hour < ?"
HOURS = """
SELECT hour, invoices, quota FROM hour_total
WHERE taxpayer = ? AND hour IN (SELECT value FROM json_each(?)) ORDER BY hour
"""


class Continuity(Handle):
    """The operations of `ContinuityBooks`."""

    async def signals(self, kinds: Collection[str], *, after: int = 0, limit: int = 1000) -> list[Event]:
        parameters = (after, json.dumps(sorted(kinds)), limit)
        return [event_of(row) for row in await self._read(lambda c: c.execute(SIGNALS, parameters).fetchall())]

    async def checkpoint(self, name: str) -> Checkpoint | None:
        row = await self._read(lambda c: c.execute(CHECKPOINT, (name,)).fetchone())
        return None if row is None else Checkpoint(*row)

    async def save_checkpoint(self, name: str, version: int, content: str, events: Sequence[EventDraft]) -> bool:
        return await self._write(lambda transaction: _save(transaction, name, version, content, events))

    async def oldest_debts(self, taxpayers: Collection[str]) -> dict[str, datetime]:
        def read(connection: sqlite3.Connection) -> dict[str, datetime]:
            found = ((taxpayer, oldest_debt_of(connection, taxpayer)) for taxpayer in taxpayers)
            return {taxpayer: instant_of(at) for taxpayer, at in found if at is not None}

        return await self._read(read)

    async def debts_of(self, places: Collection[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
        asked = sorted(places)

        def read(connection: sqlite3.Connection) -> dict[tuple[str, str], datetime]:
            oldest: dict[tuple[str, str], int] = {}
            for state in map(str, DEBT):
                owing = {taxpayer for (taxpayer,) in connection.execute(OWING, (state,))}
                for place in (place for place in asked if place[0] in owing):
                    row = connection.execute(DEBT_OF, (*place, state)).fetchone()
                    if row is not None:
                        oldest[place] = min(row[0], oldest.get(place, row[0]))
            return {place: instant_of(at) for place, at in oldest.items()}

        return await self._read(read)

    async def shard_holders(self) -> dict[str, str]:
        return dict(await self._read(lambda c: c.execute(SHARD_HOLDERS).fetchall()))

    async def keep_hours(self, taxpayer: str, first: datetime, end: datetime) -> int:
        return await self._write(lambda transaction: _keep(transaction, taxpayer, first, end))

    async def hours(self, taxpayer: str, wanted: Sequence[datetime]) -> list[HourTotal]:
        key = (taxpayer, json.dumps([microseconds(hour) for hour in wanted]))
        found = await self._read(lambda c: c.execute(HOURS, key).fetchall())
        return [HourTotal(instant_of(hour), invoices, money(quota)) for hour, invoices, quota in found]


def _save(transaction: Transaction, name: str, version: int, content: str, events: Sequence[EventDraft]) -> bool:
    if version:
        changed = transaction.execute(NEXT_CHECKPOINT, (content, name, version)).rowcount
    else:
        changed = transaction.execute(FIRST_CHECKPOINT, (name, content)).rowcount
    if changed:
        for event in events:
            transaction.append(event)
    return bool(changed)


def _keep(transaction: Transaction, taxpayer: str, first: datetime, end: datetime) -> int:
    last = transaction.row(LAST_HOUR, (taxpayer,))
    made = transaction.row(FIRST_MADE, (taxpayer, microseconds(first)))
    wanted = hours_to_count(_instant(last), _instant(made), first, end)
    transaction.many(KEEP_HOUR, [(taxpayer, microseconds(hour)) for hour in wanted])
    transaction.execute(FORGET_HOURS, (taxpayer, microseconds(first)))
    return len(wanted)


def _instant(row: tuple[object, ...] | None) -> datetime | None:
    value = row[0] if row else None
    return instant(value) if isinstance(value, int) else None
