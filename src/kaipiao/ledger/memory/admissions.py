"""Admission in memory."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from kaipiao.ledger.changes import (
    ABANDONED,
    admission_event,
    admitted,
    check_admission,
    check_same_content,
    defect,
    gives_back,
    may_succeed,
    nothing_to_replace,
    numbered,
    numbering_event,
    numbers,
    replaced,
    replaced_event,
)
from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import ZERO, Account, HeldBlock, prepared
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult, EventDraft, InvoiceRecord


class Admissions(Handle):
    """The admission of the port."""

    async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        for admission in admissions:
            check_admission(admission)
        self._check_identities(admissions)
        return [self._admit(admission) for admission in admissions]

    def _check_identities(self, admissions: Sequence[Admission]) -> None:
        """Refuse, before anything is stored, an id of another order or of other content and a successor of nothing."""
        first: dict[tuple[str, int], InvoiceRecord] = {}
        for admission in admissions:
            key = (admission.taxpayer, admission.id)
            known = first.setdefault(key, self.store.invoices.get(key) or admitted(admission))
            if known.order != admission.order:
                raise defect("标识重复", "An id of an invoice is used twice", id=admission.id)
            check_same_content(admission, known)
        earlier = {(a.taxpayer, a.order) for a in admissions if a.replaces is None}
        for admission in admissions:
            order = (admission.taxpayer, admission.order)
            if admission.replaces is not None and order not in self.store.orders and order not in earlier:
                raise nothing_to_replace(admission)

    def _admit(self, admission: Admission) -> AdmitResult:
        live = self._live(admission)
        if live is not None and not numbers(admission, live) and not may_succeed(admission, live, self._under_way):
            return AdmitResult(AdmitOutcome.KNOWN, live)
        block = self._block(admission)
        if admission.number is not None and block is None:
            return AdmitResult(AdmitOutcome.FENCED)
        if admission.number is not None and (admission.taxpayer, admission.number) in self.store.numbers:
            return AdmitResult(AdmitOutcome.NUMBER_USED)
        account_key = (admission.taxpayer, admission.channel, admission.month)
        left = self.store.accounts.get(account_key, Account()).left + self._given_back(admission, live)
        if admission.quota > left:
            return AdmitResult(AdmitOutcome.QUOTA_SHORT)
        return AdmitResult(AdmitOutcome.ADMITTED, self._store(admission, block, live))

    def _live(self, admission: Admission) -> InvoiceRecord | None:
        identity = self.store.orders.get((admission.taxpayer, admission.order))
        return None if identity is None else self.store.invoices[(admission.taxpayer, identity)]

    def _under_way(self, live: InvoiceRecord) -> bool:
        return any(
            (upload.end is None or upload.end.cause == ABANDONED) and live.id in upload.attempts
            for upload in self.store.uploads.values()
            if upload.taxpayer == live.taxpayer
        )

    def _given_back(self, admission: Admission, live: InvoiceRecord | None) -> Decimal:
        if live is None or admission.replaces != live.id or not gives_back(admission, live):
            return ZERO
        return self.store.taken_quota.get((live.taxpayer, live.id), ZERO)

    def _block(self, admission: Admission) -> HeldBlock | None:
        """The block, when it still has this epoch and holds this number."""
        if admission.number is None or admission.block is None:
            return None
        block = self.store.blocks.get((admission.taxpayer, admission.block))
        if block is None or block.epoch != admission.epoch or block.segment.request.channel != admission.channel:
            return None
        return block if block.first <= int(admission.number) < block.first + block.size else None

    def _store(self, admission: Admission, block: HeldBlock | None, live: InvoiceRecord | None) -> InvoiceRecord:
        key = (admission.taxpayer, admission.id)
        record, events = self._change(admission, live)
        if block is not None and admission.number is not None:
            block.used += 1
            self.store.numbers[(admission.taxpayer, admission.number)] = admission.id
        if admission.quota:
            self.store.accounts[(admission.taxpayer, admission.channel, admission.month)].issued += admission.quota
            self.store.taken_quota[key] = admission.quota
        if admission.document is not None:
            self.store.sealed[key] = admission.document
        self.store.orders[(admission.taxpayer, admission.order)] = admission.id
        self.store.keep(record)
        if self.store.last_made_at is None or record.made_at > self.store.last_made_at:
            self.store.last_made_at = record.made_at
        self.store.append(self.writer, prepared(events))
        return record

    def _change(self, admission: Admission, live: InvoiceRecord | None) -> tuple[InvoiceRecord, list[EventDraft]]:
        """The invoice that comes of it, and the events that go with it."""
        if live is None:
            return admitted(admission), [admission_event(admission)]
        if numbers(admission, live):
            return numbered(live, admission), [numbering_event(admission)]
        self.store.keep(replaced(live))
        if released := self._given_back(admission, live):
            self.store.accounts[(live.taxpayer, live.channel, live.month)].issued -= released
            del self.store.taken_quota[(live.taxpayer, live.id)]
        return admitted(admission), [replaced_event(live, admission, released), admission_event(admission)]
