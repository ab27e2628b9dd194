"""Months and what differs in them, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import ZERO, prepared
from kaipiao.ledger.month_books import FindingRow, MonthBook, Tally, cleared_event, found_event
from kaipiao.ledger.port import EventDraft


class Months(Handle):
    """The operations of `MonthBooks`."""

    async def month_book(self, taxpayer: str, channel: str, month: str) -> MonthBook | None:
        return self.store.month_books.get((taxpayer, channel, month))

    async def month_books(self, taxpayer: str, limit: int) -> list[MonthBook]:
        books = [book for key, book in self.store.month_books.items() if key[0] == taxpayer]
        return sorted(sorted(books, key=lambda b: b.channel), key=lambda b: b.month, reverse=True)[:limit]

    async def save_month_book(
        self,
        book: MonthBook,
        findings: Sequence[FindingRow] = (),
        *,
        sweep: int | None = None,
        events: Sequence[EventDraft] = (),
    ) -> bool:
        place = (book.taxpayer, book.channel, book.month)
        known = self.store.month_books.get(place)
        if (known.version if known else 0) != book.version:
            return False
        before = self.store.findings.get(place, {})
        after, drafts = dict(before), list(events)
        for row in findings:
            if row.place not in after:
                drafts.append(found_event(row, row.found_at))
            after[row.place] = replace(row, found_at=after.get(row.place, row).found_at)
        if sweep is not None:
            gone = [row for row in after.values() if row.run != sweep]
            drafts += [cleared_event(row, events[0].at) for row in sorted(gone, key=lambda r: r.place)]
            after = {key: row for key, row in after.items() if row.run == sweep}
        chained = prepared(drafts)
        self.store.month_books[place] = replace(book, version=book.version + 1)
        self.store.findings[place] = after
        self.store.append(self.writer, chained)
        return True

    async def findings(
        self, taxpayer: str, *, channel: str | None = None, month: str | None = None, limit: int = 1000
    ) -> list[FindingRow]:
        found = [
            row
            for key, rows in self.store.findings.items()
            if key[0] == taxpayer and channel in (None, key[1]) and month in (None, key[2])
            for row in rows.values()
        ]
        found.sort(key=lambda row: (row.channel, *row.place))
        return sorted(found, key=lambda row: row.month, reverse=True)[:limit]

    async def month_tally(self, taxpayer: str, channel: str, month: str) -> list[Tally]:
        sums: dict[tuple[State, bool], tuple[int, Decimal, Decimal]] = {}
        for key, record in self.store.invoices.items():
            if key[0] != taxpayer or record.number is None or (record.channel, record.month) != (channel, month):
                continue
            place = (record.state, record.total < 0)
            count, amount, tax = sums.get(place, (0, ZERO, ZERO))
            sums[place] = (count + 1, amount + record.amount, tax + record.tax)
        ordered = [(*place, *sums[place]) for place in sorted(sums)]
        return [Tally(state, red, count, amount, tax) for state, red, count, amount, tax in ordered]
