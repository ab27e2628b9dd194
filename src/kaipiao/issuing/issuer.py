"""One request to one sealed invoice: check, number, freeze, seal, one commit, and only then the answer (R1, R2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import SHANGHAI, Clock, month_of, year_of
from kaipiao.document.xml import write_invoice
from kaipiao.errors import (
    ChannelCannotCarry,
    ClockUnsound,
    Internal,
    KaipiaoError,
    NotFound,
    NotQualified,
    NumbersExhausted,
    OrderCancelled,
    OrderConflict,
    OrderNotCancellable,
    OrderNotReplaceable,
    QuotaNotValid,
    RulesBroken,
    Stopping,
)
from kaipiao.invoice.canonical import differing_fields, draft_bytes, invoice_bytes, load_draft
from kaipiao.invoice.drafting import complete
from kaipiao.invoice.lifecycle import State
from kaipiao.invoice.model import Draft, Invoice, Seller
from kaipiao.invoice.rules import Verdict, check_draft
from kaipiao.issuing import trail
from kaipiao.issuing.acceptance import acceptance, cancellation, numbering, succession
from kaipiao.issuing.budgets import UNLOCKS, Bound
from kaipiao.issuing.clock_gate import ClockGate
from kaipiao.issuing.commit import Committer
from kaipiao.issuing.deadlines import upload_closes
from kaipiao.issuing.gate import Gate, OpenGate
from kaipiao.issuing.numbers import NumberDesk, Taken
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.ports import Ids, Workers
from kaipiao.issuing.preview import Preview, preview
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult, InvoiceRecord, Ledger, SealedDocument
from kaipiao.seal.digest import sm3
from kaipiao.seal.port import Sealer


@dataclass(frozen=True, slots=True)
class Desk:
    """What issuing knows of one taxpayer: its fixed data, the channel it issues through, its sealer."""

    seller: Seller
    channel: str
    capabilities: Capabilities
    sealer: Sealer


@dataclass(frozen=True, slots=True)
class Issued:
    """The answer to a request. `replayed`: the order was known, this is what it got the first time."""

    record: InvoiceRecord
    document: SealedDocument
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Frozen:
    invoice: Invoice
    sealed: SealedDocument


@dataclass(frozen=True, slots=True)
class _Succession:
    predecessor: InvoiceRecord
    window_closed: bool


class Issuer:
    """Admits orders. `refuse_reason` (qualification), `quota_ended` and the clock's soundness are asked for
    every order."""

    def __init__(
        self,
        ledger: Ledger,
        desks: Mapping[str, Desk],
        numbers: NumberDesk,
        clock: Clock,
        workers: Workers,
        ids: Ids,
        policy: Policy,
        *,
        refuse_reason: Callable[[str], str | None],
        quota_ended: Callable[[str, str, datetime], datetime | None],
        on_quota_short: Callable[[str, str], None],
        gate: Gate | OpenGate | None = None,
        clock_gate: ClockGate | None = None,
    ) -> None:
        self._ledger = ledger
        self._desks = desks
        self._numbers = numbers
        self._clock = clock
        self._workers = workers
        self._ids = ids
        self._policy = policy
        self._refuse_reason = refuse_reason
        self._quota_ended = quota_ended
        self._on_quota_short = on_quota_short
        self._budgets = gate or OpenGate()
        self._committer = Committer(ledger, clock, policy)
        self._clock_gate = clock_gate or ClockGate()
        self._last_made: datetime | None = None
        self.stopping = False
        self.callers = 0  # who wait for an answer to `issue` or `accept`

    async def open(self) -> None:
        """The clock must not run backwards past what was issued before."""
        self._last_made = await self._ledger.last_made_at()

    async def close(self) -> None:
        """Take no new orders; let commits whose fate is unknown be read to the end, as far as patience goes."""
        self.stopping = True
        await self._committer.close()

    def check(self, draft: Draft) -> None:
        """Raise `RulesBroken` with every finding that stops issuing; `ChannelCannotCarry` for what could never be uploaded."""
        desk = self._desk(draft)
        if draft.special and not desk.capabilities.special_elements:
            raise ChannelCannotCarry(channel=desk.channel, path="special")
        today = self._clock.now().astimezone(SHANGHAI).date()
        findings = check_draft(draft, desk.seller, today)
        stopping = [f for f in findings if f.stops and f.verdict is Verdict.INVALID]
        if stopping:
            raise RulesBroken(findings=stopping)

    def preview(self, draft: Draft) -> Preview:
        """What `check` would find and the invoice would come to; nothing is stored or taken."""
        desk = self._desk(draft)
        return preview(draft, desk.seller, desk.capabilities, self._clock.now())

    async def issue(self, draft: Draft) -> Issued:
        """Issue, or give the answer that the order key got before. An order that was accepted is numbered now. Raises a
        `KaipiaoError` with nothing stored, and `OrderCancelled` for an order that was accepted and cancelled."""
        content = draft_bytes(draft)
        digest = sm3(content)
        self.callers += 1
        try:
            return await self._issue(draft, content, digest)
        except (OrderConflict, OrderCancelled):
            raise
        except KaipiaoError:
            known = await self._known(draft, content, digest)
            if known is None or known.number is None:
                raise
            return await self._replay(known)
        finally:
            self.callers -= 1

    async def accept(self, draft: Draft) -> InvoiceRecord:
        """Store the order without a number; it is numbered later. A known order gives its record as it stands now, whatever
        it is, by the rules of `issue`."""
        content = draft_bytes(draft)
        digest = sm3(content)
        self.callers += 1
        try:
            return await self._accept(draft, content, digest)
        except (OrderConflict, OrderCancelled):
            raise
        except KaipiaoError:
            known = await self._known(draft, content, digest)
            if known is None:
                raise
            return known
        finally:
            self.callers -= 1

    async def number(self, accepted: InvoiceRecord) -> InvoiceRecord:
        """Give an accepted order its number now. Raises as `issue` does; the order then still waits, unless it was
        cancelled (`OrderCancelled`)."""
        draft = load_draft(accepted.content)
        return (await self._issue(draft, accepted.content, accepted.content_digest, accepted)).record

    async def succeed(
        self, predecessor: InvoiceRecord, draft: Draft | None = None, *, window_closed: bool = False
    ) -> Issued:
        """A successor under a new number for the same order: with the same content, or corrected. When the predecessor has
        one already, that is the answer. Raises as `issue` does, and `OrderNotReplaceable` when the ledger does not allow it
        (`Ledger.admit`). What only asking can tell is for `successor.Successors`."""
        content = predecessor.content if draft is None else draft_bytes(draft)
        wanted = load_draft(content) if draft is None else draft
        self.callers += 1
        try:
            return await self._issue(wanted, content, sm3(content), None, _Succession(predecessor, window_closed))
        finally:
            self.callers -= 1

    async def cancel(self, taxpayer: str, order: str) -> InvoiceRecord:
        """The order as cancelled; again is the same. Raises `NotFound`, `OrderNotCancellable` once it has a number, and
        `OutcomeUnknown` when it must be asked for again."""
        while True:
            found = await self._ledger.find(taxpayer, orders=[order])
            if not found:
                raise NotFound(code="KP-FIND-01")
            record = found[0]
            if record.state is State.CANCELLED:
                return record
            if record.state is not State.ACCEPTED or record.tries:
                raise OrderNotCancellable(number=record.number, state=record.state.value)
            change = cancellation(record, self._clock.now())
            await self._ledger.advance([change])  # when it does not hold, somebody was faster: look again

    async def _accept(self, draft: Draft, content: bytes, digest: bytes) -> InvoiceRecord:
        desk = self._desk(draft)
        self._gate(draft.seller_tax_number)
        self.check(draft)
        made_at = self._made_at()
        admission = acceptance(draft, desk.channel, self._ids.next(), made_at, content, digest)
        result = await self._committer.admit(admission, lambda: None)
        if result.record is None:
            raise Internal(outcome=result.outcome.value)
        if result.outcome is AdmitOutcome.ADMITTED:
            self._note_made(made_at)
        else:
            self._check_same(result.record, content, digest)
        return result.record

    async def _issue(
        self,
        draft: Draft,
        content: bytes,
        digest: bytes,
        accepted: InvoiceRecord | None = None,
        after: _Succession | None = None,
    ) -> Issued:
        desk = self._desk(draft)
        self._gate(draft.seller_tax_number)
        self.check(draft)
        while True:
            made_at = self._made_at()
            if accepted is not None:
                made_at = max(made_at, accepted.made_at)
            self._check_quota_valid(draft.seller_tax_number, desk.channel, made_at)
            taken = await self._take(draft, desk, made_at, after)
            result, document = await self._admit(draft, desk, taken, made_at, content, digest, accepted, after)
            if result.outcome is AdmitOutcome.ADMITTED and result.record is not None:
                self._note_made(result.record.made_at)
                return Issued(result.record, document, replayed=False)
            if result.outcome is AdmitOutcome.FENCED:
                self._numbers.drop(draft.seller_tax_number, taken.block, taken.epoch)
                continue
            if result.outcome is AdmitOutcome.NUMBER_USED:
                event = trail.platform("number.used_twice", made_at, draft.seller_tax_number, number=taken.number)
                await self._ledger.append_events([event])
                continue
            if result.outcome is AdmitOutcome.QUOTA_SHORT:
                self._on_quota_short(draft.seller_tax_number, desk.channel)
                raise await self._budgets.out_of_quota(draft.seller_tax_number, desk.channel, made_at)
            if result.record is None:
                raise Internal(outcome=result.outcome.value)
            if after is not None and result.record.id == after.predecessor.id:
                raise OrderNotReplaceable(number=result.record.number, state=result.record.state.value)
            self._check_same(result.record, content, digest)
            if result.record.state is not State.ACCEPTED:
                return await self._replay(result.record)
            accepted = result.record

    async def _take(self, draft: Draft, desk: Desk, made_at: datetime, after: _Succession | None) -> Taken:
        """The next number, as far as modes and budgets allow one."""
        taxpayer = draft.seller_tax_number
        if after is None:
            self._budgets.check(taxpayer, desk.channel, draft.kind.value, made_at)
        else:
            self._budgets.check_mode(taxpayer, desk.channel)
        try:
            return await self._numbers.take(taxpayer, desk.channel, year_of(made_at))
        except NumbersExhausted as used_up:
            raise await self._budgets.out_of_numbers(taxpayer, desk.channel, made_at) from used_up

    def _check_quota_valid(self, taxpayer: str, channel: str, made_at: datetime) -> None:
        ended = self._quota_ended(taxpayer, channel, made_at)
        if ended is not None:
            self._on_quota_short(taxpayer, channel)
            bound, until = Bound.QUOTA_VALIDITY, ended.isoformat()
            raise QuotaNotValid(taxpayer=taxpayer, valid_until=until, bound=bound.value, unlocks=UNLOCKS[bound])

    async def _admit(
        self,
        draft: Draft,
        desk: Desk,
        taken: Taken,
        made_at: datetime,
        content: bytes,
        digest: bytes,
        accepted: InvoiceRecord | None,
        after: _Succession | None,
    ) -> tuple[AdmitResult, SealedDocument]:
        """A number is given back only when its pair was surely not stored: before the commit, or when the ledger says so."""
        year = year_of(made_at)

        def free() -> None:
            self._numbers.give_back(draft.seller_tax_number, desk.channel, year, taken)

        try:
            document = await self._freeze(draft, desk, taken, made_at)
            admission = self._admission(draft, desk, taken, made_at, content, digest, document)
            if accepted is not None:
                admission = numbering(admission, document.sealed, accepted)
            elif after is not None:
                admission = succession(admission, after.predecessor, window_closed=after.window_closed)
        except BaseException:
            free()
            raise
        return await self._committer.admit(admission, free), document.sealed

    async def _freeze(self, draft: Draft, desk: Desk, taken: Taken, made_at: datetime) -> _Frozen:
        """From here on nobody changes a byte."""
        invoice = complete(draft, desk.seller, taken.number, made_at)
        xml = write_invoice(invoice)
        seal = await self._workers.run(lambda: desk.sealer.seal(xml), len(xml))
        sealed = SealedDocument(xml, invoice_bytes(invoice), sm3(xml), seal.value, seal.key_id, seal.algorithm)
        return _Frozen(invoice, sealed)

    def _admission(
        self,
        draft: Draft,
        desk: Desk,
        taken: Taken,
        made_at: datetime,
        content: bytes,
        digest: bytes,
        frozen: _Frozen,
    ) -> Admission:
        invoice, sealed = frozen.invoice, frozen.sealed
        return Admission(
            id=self._ids.next(),
            taxpayer=draft.seller_tax_number,
            order=draft.order,
            channel=desk.channel,
            kind=draft.kind.value,
            content=content,
            content_digest=digest,
            amount=invoice.amount,
            tax=invoice.tax or Decimal(0),
            total=invoice.total,
            made_at=made_at,
            month=month_of(made_at),
            number=taken.number,
            block=taken.block,
            epoch=taken.epoch,
            quota=max(Decimal(0), invoice.amount),
            document=sealed,
            next_at=made_at + timedelta(seconds=self._policy.linger),
            deadline=upload_closes(made_at, desk.capabilities),
            event=trail.issued(
                draft.order,
                draft.seller_tax_number,
                made_at,
                number=taken.number,
                digest=sealed.digest,
                key_id=sealed.key_id,
                channel=desk.channel,
            ),
        )

    async def _known(self, draft: Draft, content: bytes, digest: bytes) -> InvoiceRecord | None:
        """What the order key has, if it is for this content."""
        found = await self._ledger.find(draft.seller_tax_number, orders=[draft.order])
        if not found:
            return None
        self._check_same(found[0], content, digest)
        return found[0]

    def _check_same(self, record: InvoiceRecord, content: bytes, digest: bytes) -> None:
        if record.content_digest != digest:
            raise OrderConflict(fields=differing_fields(record.content, content), number=record.number)
        if record.state is State.CANCELLED:
            raise OrderCancelled()

    async def _replay(self, record: InvoiceRecord) -> Issued:
        documents = await self._ledger.documents(record.taxpayer, [record.id])
        if record.id not in documents:
            raise Internal(order=record.order)
        return Issued(record, documents[record.id], replayed=True)

    def _desk(self, draft: Draft) -> Desk:
        desk = self._desks.get(draft.seller_tax_number)
        if desk is None:
            raise NotFound(code="KP-FIND-02", taxpayer=draft.seller_tax_number)
        return desk

    def _gate(self, taxpayer: str) -> None:
        if self.stopping:
            raise Stopping()
        reason = self._refuse_reason(taxpayer)
        if reason is not None:
            raise NotQualified(reason=reason)

    def _made_at(self) -> datetime:
        """One instant for number, quota, partition and summary. A small step back of the clock is held still; a larger one refuses."""
        now = self._clock.now()
        self._clock_gate.check(now)
        last = self._last_made
        if last is not None and now < last:
            behind = (last - now).total_seconds()
            if behind > self._policy.clock_back:
                raise ClockUnsound(behind_seconds=round(behind, 3))
            return last
        return now

    def _note_made(self, made_at: datetime) -> None:
        """Only what was stored counts: a moment of a wrong clock in which nothing was issued does no harm."""
        self._last_made = max(made_at, self._last_made or made_at)
