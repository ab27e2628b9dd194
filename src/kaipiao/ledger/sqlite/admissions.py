"""Admission in SQLite: all that wait are decided in order, then stored by one statement per table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kaipiao.ledger import rows
from kaipiao.ledger.changes import cents, check_admission
from kaipiao.ledger.desk import BlockSeen, Desk
from kaipiao.ledger.port import Admission, AdmitResult, InvoiceRecord
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import microseconds


class Admissions(Handle):
    """The admission of the port."""

    async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        for admission in admissions:
            check_admission(admission)
        return await self._write_together(list(admissions), admit_together)


def admit_together(transaction: Transaction, admissions: Sequence[Admission]) -> list[AdmitResult]:
    """Decide and store admissions of any number of callers."""
    desk = Desk(_Facts(transaction))
    results = [desk.admit(admission) for admission in admissions]
    _store(transaction, desk)
    return results


class _Facts:
    """What the file has, as this transaction sees it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def live(self, taxpayer: str, order: str) -> InvoiceRecord | None:
        found = self._transaction.row(sql.LIVE_ID, (taxpayer, order))
        if found is None:
            return None
        row: Any = self._transaction.row(sql.INVOICE, (taxpayer, found[0]))
        return rows.record_of(row)

    def under_way(self, record: InvoiceRecord) -> bool:
        return self._transaction.row(sql.OPEN_ATTEMPT, (record.taxpayer, record.id)) is not None

    def block(self, taxpayer: str, block: int) -> BlockSeen | None:
        row: Any = self._transaction.row(sql.BLOCK, (taxpayer, block))
        return BlockSeen(*row) if row else None

    def is_used(self, taxpayer: str, number: str) -> bool:
        return self._transaction.row(sql.NUMBER_OWNER, (taxpayer, number)) is not None

    def left(self, taxpayer: str, channel: str, month: str) -> int:
        row: Any = self._transaction.row(sql.ACCOUNT, (taxpayer, channel, month))
        return int(row[3]) if row else 0


def _store(transaction: Transaction, desk: Desk) -> None:
    """Write everything that was decided. A successor's order key and predecessor may be of this very round."""
    new = desk.admitted
    many = transaction.many
    numbered = [a for a in (*new, *desk.numbered) if a.number is not None]
    many(sql.INSERT_ORDER, [(a.taxpayer, a.order, a.id) for a in new if a.replaces is None])
    many(sql.INSERT_NUMBER, [(a.taxpayer, a.number, a.block, a.id) for a in numbered])
    many(sql.INSERT_INVOICE, map(rows.invoice_row, new))
    many(sql.NUMBER_INVOICE, map(rows.numbering_row, desk.numbered))
    sealed = [(a, a.document) for a in (*new, *desk.numbered) if a.document is not None]
    many(sql.INSERT_DOCUMENT, [rows.document_row(a, document) for a, document in sealed])
    used = Counter((a.taxpayer, a.block) for a in numbered)
    many(sql.USE_NUMBERS, [(count, *key) for key, count in used.items()])
    _store_quota(transaction, [a for a in (*new, *desk.numbered) if a.quota])
    many(sql.REPLACE_ORDER, [(successor.id, live.taxpayer, live.order) for live, successor in desk.replaced])
    many(sql.REPLACE_INVOICE, [(live.taxpayer, live.id) for live, _ in desk.replaced])
    for event, invoice in desk.events:
        transaction.append(event, invoice)


def _store_quota(transaction: Transaction, taking: list[Admission]) -> None:
    entries = []
    totals: Counter[tuple[str, str, str]] = Counter()
    for a in taking:
        amount = cents(a.quota)
        totals[(a.taxpayer, a.channel, a.month)] += amount
        entries.append((a.taxpayer, a.channel, a.month, a.id, amount, amount, microseconds(a.made_at)))
    transaction.many(sql.INSERT_QUOTA_ISSUE, entries)
    transaction.many(sql.BOOK_ISSUE, [(total, total, *place) for place, total in totals.items()])
