"""Checkpoints and hours, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from kaipiao.invoice.lifecycle import DEBT
from kaipiao.ledger.changes import money
from kaipiao.ledger.continuity import Checkpoint, HourTotal, hours_to_count
from kaipiao.ledger.port import Event, EventDraft
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.listing import settled_events
from kaipiao.ledger.postgresql.rows import columns
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.rows import instant
from kaipiao.ledger.trail import instant_of, microseconds

# lint: all taxpayers: events of the platform, no taxpayer's
SIGNALS = f"""
SELECT {sql.EVENT_COLUMNS} FROM event
WHERE taxpayer IS NULL AND position > $1 AND kind = ANY ($2::text[]) ORDER BY position LIMIT $3
"""  # noqa: S608
# lint: all taxpayers: which node works for whom
SHARD_HOLDERS = "SELECT taxpayer, node FROM shard WHERE node IS NOT NULL"
CHECKPOINT = "SELECT version, content FROM checkpoint WHERE name = $1"
FIRST_CHECKPOINT = """
INSERT INTO checkpoint (name, version, content) VALUES ($1, 1, $2) ON CONFLICT (name) DO NOTHING
"""
NEXT_CHECKPOINT = "UPDATE checkpoint SET version = version + 1, content = $2 WHERE name = $1 AND version = $3"
OLDEST_DEBTS = """
SELECT t.taxpayer, min(each.oldest) FROM unnest($1::text[]) AS t (taxpayer), unnest($2::text[]) AS w (state), LATERAL (
    SELECT min(made_at) AS oldest FROM invoice AS i
    WHERE i.state = w.state AND i.taxpayer = t.taxpayer AND i.state <> 'confirmed'
) AS each
WHERE each.oldest IS NOT NULL GROUP BY t.taxpayer
"""
# The oldest of a state comes first in its index: almost always the first row is of this channel.
DEBTS_OF = """
SELECT p.taxpayer, p.channel, min(each.oldest) FROM unnest($1::text[], $2::text[]) AS p (taxpayer, channel),
unnest($3::text[]) AS w (state), LATERAL (
    SELECT made_at AS oldest FROM invoice AS i
    WHERE i.state = w.state AND i.taxpayer = p.taxpayer AND i.channel = p.channel AND i.state <> 'confirmed'
    ORDER BY i.made_at LIMIT 1
) AS each
GROUP BY p.taxpayer, p.channel
"""
LAST_HOUR = "SELECT max(hour) FROM hour_total WHERE taxpayer = $1"
FIRST_MADE = "SELECT min(made_at) FROM invoice WHERE taxpayer = $1 AND made_at >= $2"
KEEP_HOURS = """
INSERT INTO hour_total (taxpayer, hour, invoices, quota)
SELECT $1, h.hour, count(i.id), coalesce(sum(i.quota), 0)::bigint FROM unnest($2::bigint[]) AS h (hour)
LEFT JOIN invoice AS i ON i.taxpayer = $1 AND i.made_at >= h.hour AND i.made_at < h.hour + 3600000000
    AND i.number IS NOT NULL
GROUP BY h.hour ORDER BY h.hour
ON CONFLICT (taxpayer, hour) DO NOTHING
"""
FORGET_HOURS = "DELETE FROM hour_total WHERE taxpayer = $1 AND hour < $2"
HOURS = "SELECT hour, invoices, quota FROM hour_total WHERE taxpayer = $1 AND hour = ANY ($2::bigint[]) ORDER BY hour"


class Continuity(Handle):
    """The operations of `ContinuityBooks`."""

    async def signals(self, kinds: Collection[str], *, after: int = 0, limit: int = 1000) -> list[Event]:
        return await settled_events(lambda: self._fetch(SIGNALS, after, sorted(kinds), limit))

    async def checkpoint(self, name: str) -> Checkpoint | None:
        found = await self._fetch(CHECKPOINT, name)
        return Checkpoint(*found[0]) if found else None

    async def save_checkpoint(self, name: str, version: int, content: str, events: Sequence[EventDraft]) -> bool:
        async def save(transaction: Transaction) -> bool:
            statement, more = (NEXT_CHECKPOINT, (version,)) if version else (FIRST_CHECKPOINT, ())
            changed = await transaction.execute(statement, name, content, *more)
            for event in events if changed else ():
                transaction.append(event)
            return bool(changed)

        return await self._write(save)

    async def oldest_debts(self, taxpayers: Collection[str]) -> dict[str, datetime]:
        found = await self._fetch(OLDEST_DEBTS, sorted(taxpayers), sorted(str(state) for state in DEBT))
        return {taxpayer: instant_of(at) for taxpayer, at in found}

    async def debts_of(self, places: Collection[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
        states = sorted(str(state) for state in DEBT)
        found = await self._fetch(DEBTS_OF, *columns(sorted(places), 2), states)
        return {(taxpayer, channel): instant_of(at) for taxpayer, channel, at in found}

    async def shard_holders(self) -> dict[str, str]:
        return dict(await self._fetch(SHARD_HOLDERS))

    async def keep_hours(self, taxpayer: str, first: datetime, end: datetime) -> int:
        async def keep(transaction: Transaction) -> int:
            last = instant(await transaction.value(LAST_HOUR, taxpayer))
            made = instant(await transaction.value(FIRST_MADE, taxpayer, microseconds(first)))
            wanted = hours_to_count(last, made, first, end)
            if wanted:
                await transaction.execute(KEEP_HOURS, taxpayer, [microseconds(hour) for hour in wanted])
            await transaction.execute(FORGET_HOURS, taxpayer, microseconds(first))
            return len(wanted)

        return await self._write(keep)

    async def hours(self, taxpayer: str, wanted: Sequence[datetime]) -> list[HourTotal]:
        found = await self._fetch(HOURS, taxpayer, [microseconds(hour) for hour in wanted])
        return [HourTotal(instant_of(hour), invoices, money(quota)) for hour, invoices, quota in found]
