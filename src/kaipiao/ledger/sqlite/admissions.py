"""Admission in SQLite: all that wait are decided in order, then stored by one statement per table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import (
    REPLACEABLE,
    admission_event,
    admitted,
    cents,
    check_admission,
    nothing_to_replace,
    replaced,
    replaced_event,
)
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult, InvoiceRecord
from kaipiao.ledger.sqlite import rows
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import microseconds

_Key = tuple[str, str]


class Admissions(Handle):
    """The admission of the port."""

    async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        for admission in admissions:
            check_admission(admission)
        return await self._write_together(list(admissions), admit_together)


def admit_together(transaction: Transaction, admissions: Sequence[Admission]) -> list[AdmitResult]:
    """Decide and store admissions of any number of callers."""
    desk = _Desk(transaction)
    results = [desk.admit(admission) for admission in admissions]
    desk.store()
    return results


@dataclass(slots=True)
class _BlockSeen:
    epoch: int
    channel: str
    first: str
    last: str


class _Desk:
    """One round of admissions: what the ledger has, and what those before in this round will add to it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._blocks: dict[tuple[str, int], _BlockSeen | None] = {}
        self._left: dict[tuple[str, str, str], int] = {}
        self._records: dict[_Key, InvoiceRecord] = {}
        self._numbers: set[_Key] = set()
        self._admitted: list[Admission] = []

    def admit(self, admission: Admission) -> AdmitResult:
        live = self._live(admission)
        if live is not None and not self._may_succeed(admission, live):
            return AdmitResult(AdmitOutcome.KNOWN, live)
        if admission.number is not None and not self._block_holds(admission):
            return AdmitResult(AdmitOutcome.FENCED)
        if admission.number is not None and self._is_used(admission.taxpayer, admission.number):
            return AdmitResult(AdmitOutcome.NUMBER_USED)
        if not self._take_quota(admission):
            return AdmitResult(AdmitOutcome.QUOTA_SHORT)
        return AdmitResult(AdmitOutcome.ADMITTED, self._note(admission, live))

    def store(self) -> None:
        """Write everything that was admitted. The order key of a successor is there already."""
        new = self._admitted
        many = self._transaction.many
        numbered = [a for a in new if a.number is not None]
        many(sql.INSERT_ORDER, [(a.taxpayer, a.order, a.id) for a in new if a.replaces is None])
        many(sql.INSERT_NUMBER, [(a.taxpayer, a.number, a.block, a.id) for a in numbered])
        many(sql.INSERT_INVOICE, map(rows.invoice_row, new))
        many(sql.INSERT_DOCUMENT, [rows.document_row(a, a.document) for a in new if a.document is not None])
        used = Counter((a.taxpayer, a.block) for a in numbered)
        many(sql.USE_NUMBERS, [(count, *key) for key, count in used.items()])
        self._store_quota([a for a in new if a.quota])

    def _store_quota(self, taking: list[Admission]) -> None:
        entries = []
        totals: Counter[tuple[str, str, str]] = Counter()
        for a in taking:
            amount = cents(a.quota)
            totals[(a.taxpayer, a.channel, a.month)] += amount
            entries.append((a.taxpayer, a.channel, a.month, a.id, amount, amount, microseconds(a.made_at)))
        self._transaction.many(sql.INSERT_QUOTA_ISSUE, entries)
        self._transaction.many(sql.BOOK_ISSUE, [(total, total, *place) for place, total in totals.items()])

    def _live(self, admission: Admission) -> InvoiceRecord | None:
        key = (admission.taxpayer, admission.order)
        if (staged := self._records.get(key)) is not None:
            return staged
        found = self._transaction.row(sql.LIVE_ID, key)
        if found is None:
            return None
        row: Any = self._transaction.row(sql.INVOICE, (admission.taxpayer, found[0]))
        return rows.record_of(row)

    def _may_succeed(self, admission: Admission, live: InvoiceRecord) -> bool:
        """R14: a successor of the live invoice, which was finally refused and has no sender without an outcome."""
        if admission.replaces != live.id or live.state not in REPLACEABLE:
            return False
        key = (live.taxpayer, live.id)
        return live.state is State.EXPIRED or self._transaction.row(sql.OPEN_ATTEMPT, key) is None

    def _block_holds(self, admission: Admission) -> bool:
        """Whether the block still has this epoch and holds this number."""
        key = (admission.taxpayer, admission.block or 0)
        if key not in self._blocks:
            row: Any = self._transaction.row(sql.BLOCK, key)
            self._blocks[key] = _BlockSeen(*row) if row else None
        block = self._blocks[key]
        if block is None or (block.epoch, block.channel) != (admission.epoch, admission.channel):
            return False
        return block.first <= (admission.number or "") <= block.last

    def _is_used(self, taxpayer: str, number: str) -> bool:
        key = (taxpayer, number)
        return key in self._numbers or self._transaction.row(sql.NUMBER_OWNER, key) is not None

    def _take_quota(self, admission: Admission) -> bool:
        if not admission.quota:
            return True
        place = (admission.taxpayer, admission.channel, admission.month)
        if place not in self._left:
            row: Any = self._transaction.row(sql.ACCOUNT, place)
            self._left[place] = row[3] if row else 0
        amount = cents(admission.quota)
        if amount > self._left[place]:
            return False
        self._left[place] -= amount
        return True

    def _note(self, admission: Admission, live: InvoiceRecord | None) -> InvoiceRecord:
        key = (admission.taxpayer, admission.order)
        if live is None and admission.replaces is not None:
            raise nothing_to_replace(admission)
        if live is not None:
            self._replace(live, admission)
        record = self._records[key] = admitted(admission)
        if admission.number is not None:
            self._numbers.add((admission.taxpayer, admission.number))
        self._admitted.append(admission)
        self._transaction.append(admission_event(admission), _of_order(admission))
        return record

    def _replace(self, live: InvoiceRecord, successor: Admission) -> None:
        key = (live.taxpayer, live.id)
        self._transaction.execute(sql.REPLACE_ORDER, (successor.id, live.taxpayer, live.order))
        self._transaction.execute(sql.REPLACE_INVOICE, key)
        self._transaction.append(replaced_event(replaced(live), successor), live.id)


def _of_order(admission: Admission) -> int | None:
    """The invoice that an event is found by, when its subject is the order."""
    event = admission_event(admission)
    return admission.id if (event.taxpayer, event.subject) == (admission.taxpayer, admission.order) else None
