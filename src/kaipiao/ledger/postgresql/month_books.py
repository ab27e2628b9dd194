"""Months and what differs in them, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import money
from kaipiao.ledger.month_books import (
    FindingRow,
    MonthBook,
    Tally,
    cleared_event,
    fields_of,
    fields_text,
    found_event,
)
from kaipiao.ledger.port import EventDraft
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.rows import columns
from kaipiao.ledger.postgresql.texts import original, stored
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds

BOOK = "SELECT version, content FROM month_book WHERE taxpayer = $1 AND channel = $2 AND month = $3"
BOOKS = """
SELECT channel, month, version, content FROM month_book WHERE taxpayer = $1 ORDER BY month DESC, channel LIMIT $2
"""
FIRST_BOOK = """
INSERT INTO month_book (taxpayer, channel, month, version, content) VALUES ($1, $2, $3, 1, $4)
ON CONFLICT (taxpayer, channel, month) DO NOTHING
"""
NEXT_BOOK = """
UPDATE month_book SET version = version + 1, content = $4
WHERE taxpayer = $1 AND channel = $2 AND month = $3 AND version = $5
"""
KNOWN = "SELECT kind, number FROM finding WHERE taxpayer = $1 AND channel = $2 AND month = $3"
KEEP = """
INSERT INTO finding (taxpayer, channel, month, kind, number, client_order, ours, theirs, run, found_at)
SELECT $1, $2, $3, f.* FROM unnest(
    $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[]) AS f
ON CONFLICT (taxpayer, channel, month, kind, number) DO UPDATE SET
    client_order = excluded.client_order, ours = excluded.ours, theirs = excluded.theirs, run = excluded.run
"""
_COLUMNS = "channel, month, kind, number, client_order, ours, theirs, run, found_at"
GONE = f"""
DELETE FROM finding WHERE taxpayer = $1 AND channel = $2 AND month = $3 AND run <> $4 RETURNING {_COLUMNS}
"""  # noqa: S608
FINDINGS = f"""
SELECT {_COLUMNS} FROM finding
WHERE taxpayer = $1 AND ($2::text IS NULL OR channel = $2) AND ($3::text IS NULL OR month = $3)
ORDER BY month DESC, channel, kind, number LIMIT $4
"""  # noqa: S608
TALLY = """
SELECT state, total < 0, count(*), sum(amount)::bigint, sum(tax)::bigint FROM invoice
WHERE taxpayer = $1 AND channel = $2 AND month = $3 AND number IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""


class Months(Handle):
    """The operations of `MonthBooks`."""

    async def month_book(self, taxpayer: str, channel: str, month: str) -> MonthBook | None:
        found = await self._fetch(BOOK, taxpayer, channel, month)
        return MonthBook(taxpayer, channel, month, *found[0]) if found else None

    async def month_books(self, taxpayer: str, limit: int) -> list[MonthBook]:
        return [MonthBook(taxpayer, *row) for row in await self._fetch(BOOKS, taxpayer, limit)]

    async def save_month_book(
        self,
        book: MonthBook,
        findings: Sequence[FindingRow] = (),
        *,
        sweep: int | None = None,
        events: Sequence[EventDraft] = (),
    ) -> bool:
        return await self._write(lambda transaction: _save(transaction, book, findings, sweep, events))

    async def findings(
        self, taxpayer: str, *, channel: str | None = None, month: str | None = None, limit: int = 1000
    ) -> list[FindingRow]:
        return [_finding(taxpayer, row) for row in await self._fetch(FINDINGS, taxpayer, channel, month, limit)]

    async def month_tally(self, taxpayer: str, channel: str, month: str) -> list[Tally]:
        found = await self._fetch(TALLY, taxpayer, channel, month)
        return [Tally(State(s), red, count, money(amount), money(tax)) for s, red, count, amount, tax in found]


async def _save(
    transaction: Transaction,
    book: MonthBook,
    findings: Sequence[FindingRow],
    sweep: int | None,
    events: Sequence[EventDraft],
) -> bool:
    place = (book.taxpayer, book.channel, book.month)
    statement, more = (NEXT_BOOK, (book.version,)) if book.version else (FIRST_BOOK, ())
    if not await transaction.execute(statement, *place, book.content, *more):
        return False
    for event in events:
        transaction.append(event)
    if findings:
        await _keep(transaction, place, {row.place: row for row in findings})
    if sweep is not None:
        gone = [_finding(book.taxpayer, row) for row in await transaction.rows(GONE, *place, sweep)]
        for row in sorted(gone, key=lambda r: r.place):
            transaction.append(cleared_event(row, events[0].at))
    return True


async def _keep(
    transaction: Transaction, place: tuple[str, str, str], findings: dict[tuple[str, str], FindingRow]
) -> None:
    known = {(kind, number) for kind, number in await transaction.rows(KNOWN, *place)}
    for row in findings.values():
        if row.place not in known:
            transaction.append(found_event(row, row.found_at))
    await transaction.execute(KEEP, *place, *columns([_row(row) for row in findings.values()], 7))


def _row(row: FindingRow) -> tuple[object, ...]:
    texts = (stored(row.order), fields_text(row.ours), fields_text(row.theirs))
    return (row.kind, row.number, *texts, row.run, microseconds(row.found_at))


def _finding(taxpayer: str, row: Any) -> FindingRow:
    channel, month, kind, number, order, ours, theirs, run, found_at = row
    texts = (fields_of(ours), fields_of(theirs))
    return FindingRow(taxpayer, channel, month, kind, number, original(order), *texts, run, instant_of(found_at))
