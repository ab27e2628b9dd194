"""Months and what differs in them, in SQLite."""

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
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds

BOOK = "SELECT version, content FROM month_book WHERE taxpayer = ? AND channel = ? AND month = ?"
BOOKS = """
SELECT channel, month, version, content FROM month_book WHERE taxpayer = ? ORDER BY month DESC, channel LIMIT ?
"""
FIRST_BOOK = """
INSERT INTO month_book (taxpayer, channel, month, version, content) VALUES (?, ?, ?, 1, ?)
ON CONFLICT (taxpayer, channel, month) DO NOTHING
"""
NEXT_BOOK = """
UPDATE month_book SET version = version + 1, content = ?
WHERE taxpayer = ? AND channel = ? AND month = ? AND version = ?
"""
KEEP = """
INSERT INTO finding (taxpayer, channel, month, kind, number, client_order, ours, theirs, run, found_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (taxpayer, channel, month, kind, number) DO UPDATE SET
    client_order = excluded.client_order, ours = excluded.ours, theirs = excluded.theirs, run = excluded.run
"""
KNOWN = """
SELECT 1 FROM finding WHERE taxpayer = ? AND channel = ? AND month = ? AND kind = ? AND number = ?
"""
_COLUMNS = "channel, month, kind, number, client_order, ours, theirs, run, found_at"
GONE = f"""
DELETE FROM finding WHERE taxpayer = ? AND channel = ? AND month = ? AND run <> ? RETURNING {_COLUMNS}
"""  # noqa: S608
FINDINGS = f"""
SELECT {_COLUMNS} FROM finding
WHERE taxpayer = ?1 AND (?2 IS NULL OR channel = ?2) AND (?3 IS NULL OR month = ?3)
ORDER BY month DESC, channel, kind, number LIMIT ?4
"""  # noqa: S608
TALLY = """
SELECT state, total < 0, count(*), sum(amount), sum(tax) FROM invoice
WHERE taxpayer = ? AND channel = ? AND month = ? AND number IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""


class Months(Handle):
    """The operations of `MonthBooks`."""

    async def month_book(self, taxpayer: str, channel: str, month: str) -> MonthBook | None:
        row = await self._read(lambda c: c.execute(BOOK, (taxpayer, channel, month)).fetchone())
        return None if row is None else MonthBook(taxpayer, channel, month, *row)

    async def month_books(self, taxpayer: str, limit: int) -> list[MonthBook]:
        found = await self._read(lambda c: c.execute(BOOKS, (taxpayer, limit)).fetchall())
        return [MonthBook(taxpayer, *row) for row in found]

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
        parameters = (taxpayer, channel, month, limit)
        found = await self._read(lambda c: c.execute(FINDINGS, parameters).fetchall())
        return [_finding(taxpayer, row) for row in found]

    async def month_tally(self, taxpayer: str, channel: str, month: str) -> list[Tally]:
        found = await self._read(lambda c: c.execute(TALLY, (taxpayer, channel, month)).fetchall())
        return [Tally(State(s), bool(red), count, money(amount), money(tax)) for s, red, count, amount, tax in found]


def _save(
    transaction: Transaction,
    book: MonthBook,
    findings: Sequence[FindingRow],
    sweep: int | None,
    events: Sequence[EventDraft],
) -> bool:
    place = (book.taxpayer, book.channel, book.month)
    if book.version:
        changed = transaction.execute(NEXT_BOOK, (book.content, *place, book.version)).rowcount
    else:
        changed = transaction.execute(FIRST_BOOK, (*place, book.content)).rowcount
    if not changed:
        return False
    for event in events:
        transaction.append(event)
    for row in findings:
        if transaction.row(KNOWN, (*place, *row.place)) is None:
            transaction.append(found_event(row, row.found_at))
        transaction.execute(KEEP, (*place, *_row(row)))
    if sweep is not None:
        gone = [_finding(book.taxpayer, row) for row in transaction.execute(GONE, (*place, sweep)).fetchall()]
        for row in sorted(gone, key=lambda r: r.place):
            transaction.append(cleared_event(row, events[0].at))
    return True


def _row(row: FindingRow) -> tuple[object, ...]:
    texts = (row.order, fields_text(row.ours), fields_text(row.theirs))
    return (row.kind, row.number, *texts, row.run, microseconds(row.found_at))


def _finding(taxpayer: str, row: tuple[Any, ...]) -> FindingRow:
    channel, month, kind, number, order, ours, theirs, run, found_at = row
    texts = (fields_of(ours), fields_of(theirs))
    return FindingRow(taxpayer, channel, month, kind, number, order, *texts, run, instant_of(found_at))
