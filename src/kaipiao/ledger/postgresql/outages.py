"""Outages, in PostgreSQL: what one node derives holds on all of them, and only one of those who derive at once is heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from kaipiao.ledger.outage_rows import LAST_ID, OUTAGE_COLUMNS, SUMS, listed_of, outage_of, outage_row, sums_of
from kaipiao.ledger.outages import ListedInvoice, Made, OutageRow, OutageSums, OutageWatch
from kaipiao.ledger.port import EventDraft
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.trail import microseconds

# ruff: noqa: S608

_COLUMNS = ", ".join(OUTAGE_COLUMNS)
_PLACES = ", ".join(f"${place}" for place, _ in enumerate(OUTAGE_COLUMNS, start=1))
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in OUTAGE_COLUMNS)
_SPAN = "i.taxpayer = $1 AND i.channel = $2 AND i.number IS NOT NULL"
WATCH = "SELECT revision, position, recent FROM outage_watch WHERE id = 1"
BEGIN_WATCH = "INSERT INTO outage_watch (id, revision, position, recent) VALUES (1, 0, 0, '{}') ON CONFLICT DO NOTHING"
MOVE_WATCH = "UPDATE outage_watch SET revision = $1, position = $2, recent = $3 WHERE id = 1 AND revision = $1 - 1"
SAVE = f"INSERT INTO outage ({_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT (id) DO UPDATE SET {_CHANGES}"
OUTAGE = f"SELECT {_COLUMNS} FROM outage WHERE id = $1"
OUTAGES = f"""
SELECT {_COLUMNS} FROM outage
WHERE id < $1 AND ($2::text IS NULL OR channel = $2) AND (NOT $3::boolean OR closed_at IS NULL) ORDER BY id DESC LIMIT $4
"""
SUM_UP = f"""
SELECT {SUMS.format(now="$5::bigint", window="$6::bigint", closes="$7::bigint")} FROM invoice AS i
WHERE {_SPAN} AND i.made_at >= $3 AND i.made_at < $4
"""
INVOICES = f"""
SELECT i.made_at, i.id, i.number, d.digest FROM invoice AS i
JOIN document AS d ON d.taxpayer = i.taxpayer AND d.month = i.month AND d.id = i.id
WHERE {_SPAN} AND i.made_at >= $3 AND i.made_at < $4 AND (i.made_at, i.id) > ($5, $6)
ORDER BY i.made_at, i.id LIMIT $7
"""


class Outages(Handle):
    """The operations of `OutageBooks`."""

    async def outage_watch(self) -> OutageWatch:
        found = await self._fetch(WATCH)
        return OutageWatch(*found[0]) if found else OutageWatch()

    async def save_outages(
        self, watch: OutageWatch, outages: Sequence[OutageRow], events: Sequence[EventDraft]
    ) -> bool:
        async def save(transaction: Transaction) -> bool:
            await transaction.execute(BEGIN_WATCH)
            if not await transaction.execute(MOVE_WATCH, watch.revision, watch.position, watch.recent):
                return False
            for outage in outages:
                await transaction.execute(SAVE, *outage_row(outage))
            for event in events:
                transaction.append(event)
            return True

        return await self._write(save)

    async def outages(
        self, *, channel: str | None = None, open_only: bool = False, before: int | None = None, limit: int = 100
    ) -> list[OutageRow]:
        found = await self._fetch(OUTAGES, LAST_ID if before is None else before, channel, open_only, limit)
        return [outage_of(row) for row in found]

    async def outage(self, outage: int) -> OutageRow | None:
        found = await self._fetch(OUTAGE, outage)
        return outage_of(found[0]) if found else None

    async def outage_sums(self, made: Made, window: timedelta, closes: datetime, now: datetime) -> OutageSums:
        bounds = (microseconds(now), window // timedelta(microseconds=1), microseconds(closes))
        return sums_of((await self._fetch(SUM_UP, *_span(made), *bounds))[0])

    async def outage_invoices(self, made: Made, after: tuple[datetime, int], limit: int) -> list[ListedInvoice]:
        found = await self._fetch(INVOICES, *_span(made), microseconds(after[0]), after[1], limit)
        return [listed_of(row) for row in found]


def _span(made: Made) -> tuple[str, str, int, int]:
    return made.taxpayer, made.channel, microseconds(made.first), microseconds(made.end)
