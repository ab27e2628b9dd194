"""Admission in SQLite: all that wait are decided in order, then stored by one statement per table."""

from __future__ import annotations

from collections import Counter, defaultdict
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
    desk = Desk(_Facts(transaction, admissions))
    results = [desk.admit(admission) for admission in admissions]
    _store(transaction, desk)
    return results


class _Facts:
    """What the file has, as this transaction sees it. Which orders and numbers of the round are taken is looked up for all
    at once: almost always none."""

    def __init__(self, transaction: Transaction, admissions: Sequence[Admission]) -> None:
        self._transaction = transaction
        self._live: dict[tuple[str, str], int] = {}
        self._used: set[tuple[str, str]] = set()
        by_taxpayer: defaultdict[str, list[Admission]] = defaultdict(list)
        for admission in admissions:
            by_taxpayer[admission.taxpayer].append(admission)
        for taxpayer, theirs in by_taxpayer.items():
            self._look_up(taxpayer, theirs)

    def _look_up(self, taxpayer: str, admissions: list[Admission]) -> None:
        orders = self._transaction.array(sql.LIVE_IDS, taxpayer, [a.order for a in admissions])
        self._live |= {(taxpayer, order): identity for order, identity in orders}
        numbers = [a.number for a in admissions if a.number is not None]
        if numbers:
            used = self._transaction.array(sql.USED, taxpayer, numbers)
            self._used |= {(taxpayer, number) for number in used}

    def live(self, taxpayer: str, order: str) -> InvoiceRecord | None:
        identity = self._live.get((taxpayer, order))
        if identity is None:
            return None
        row: Any = self._transaction.row(sql.INVOICE, (taxpayer, identity))
        return rows.record_of(row)

    def under_way(self, record: InvoiceRecord) -> bool:
        return self._transaction.row(sql.OPEN_ATTEMPT, (record.taxpayer, record.id)) is not None

    def taken(self, record: InvoiceRecord) -> int:
        row: Any = self._transaction.row(sql.TAKEN_QUOTA, (record.taxpayer, record.id))
        return int(row[0]) if row else 0

    def block(self, taxpayer: str, block: int) -> BlockSeen | None:
        row: Any = self._transaction.row(sql.BLOCK, (taxpayer, block))
        return BlockSeen(*row) if row else None

    def is_used(self, taxpayer: str, number: str) -> bool:
        return (taxpayer, number) in self._used

    def left(self, taxpayer: str, channel: str, month: str) -> int:
        row: Any = self._transaction.row(sql.ACCOUNT, (taxpayer, channel, month))
        return int(row[3]) if row else 0


def _store(transaction: Transaction, desk: Desk) -> None:
    """Write everything that was decided. A successor's order key and predecessor may be of this very round."""
    new = desk.admitted
    insert, many = transaction.insert, transaction.many
    numbered = [a for a in (*new, *desk.numbered) if a.number is not None]
    insert(sql.INSERT_ORDER, [(a.taxpayer, a.order, a.id) for a in new if a.replaces is None])
    insert(sql.INSERT_NUMBER, [(a.taxpayer, a.number, a.block, a.id) for a in numbered])
    insert(sql.INSERT_INVOICE, [rows.invoice_row(a) for a in new])
    many(sql.NUMBER_INVOICE, map(rows.numbering_row, desk.numbered))
    insert(sql.INSERT_DOCUMENT, [rows.document_row(a, a.document) for a in numbered if a.document is not None])
    used = Counter((a.taxpayer, a.block) for a in numbered)
    many(sql.USE_NUMBERS, [(count, *key) for key, count in used.items()])
    _release_quota(transaction, desk)
    _store_quota(transaction, [a for a in numbered if a.quota])
    many(sql.REPLACE_ORDER, [(successor.id, live.taxpayer, live.order) for live, successor in desk.replaced])
    many(sql.REPLACE_INVOICE, [(live.taxpayer, live.id) for live, _ in desk.replaced])
    for event, invoice in desk.events:
        transaction.append(event, invoice)


def _release_quota(transaction: Transaction, desk: Desk) -> None:
    """An entry of its own: to look for the one that took it would read all of them, on the only writer."""
    at = {(live.taxpayer, live.id): microseconds(new.made_at) for live, new in desk.replaced}
    entries = [
        (live.taxpayer, live.channel, live.month, live.id, -amount, -amount, at[live.taxpayer, live.id])
        for live, amount in desk.released
    ]
    transaction.insert(sql.INSERT_QUOTA_ISSUE, entries)
    transaction.many(sql.TAKE_NO_QUOTA, [(live.taxpayer, live.id) for live, _ in desk.released])
    given = [(-amount, -amount, live.taxpayer, live.channel, live.month) for live, amount in desk.released]
    transaction.many(sql.BOOK_ISSUE, given)


def _store_quota(transaction: Transaction, taking: list[Admission]) -> None:
    entries = []
    totals: Counter[tuple[str, str, str]] = Counter()
    for a in taking:
        amount = cents(a.quota)
        totals[(a.taxpayer, a.channel, a.month)] += amount
        entries.append((a.taxpayer, a.channel, a.month, a.id, amount, amount, microseconds(a.made_at)))
    transaction.insert(sql.INSERT_QUOTA_ISSUE, entries)
    transaction.many(sql.BOOK_ISSUE, [(total, total, *place) for place, total in totals.items()])
