"""A node that compares months, in virtual time: the shipped code on the memory ledger, with the pretend bureau."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from pretend_bureau import CAPABILITIES, PretendBureau

from authority_invoices import invoice
from kaipiao.authority.channel import ListedInvoice, MonthTotals
from kaipiao.clock import ManualClock, month_of
from kaipiao.invoice.canonical import invoice_bytes
from kaipiao.invoice.lifecycle import State
from kaipiao.invoice.taxpayer import with_check_digit
from kaipiao.issuing.calls import Calls
from kaipiao.issuing.month_end import MonthCloser, MonthDesk
from kaipiao.issuing.month_state import Manner, MonthContent, Run, load
from kaipiao.issuing.month_watch import MonthWatch
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.reconcile_policy import ReconcilePolicy
from kaipiao.issuing.reconciler import Reconciler, begin_run
from kaipiao.issuing.shards import Shards
from kaipiao.ledger.ids import IdMaker
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import InvoiceRecord, SealedDocument
from kaipiao.seal.digest import sm3

SELLER = with_check_digit("91440300MA5EXMPL1")
NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
MADE = datetime(2026, 11, 10, 2, 0, tzinfo=UTC)
MONTH = "2026-11"
COMPARING = replace(CAPABILITIES, monthly_summary=True, list_kinds=("special", "general"))


class OurCalls:
    """Asks at once, for the taxpayers that are ours."""

    def __init__(self) -> None:
        self.ours = True

    async def ask(self, taxpayer: str, channel: str, service: str, call: Callable[[], Awaitable[Any]]) -> Any:
        return await call() if self.ours else None

    def holds(self, taxpayer: str) -> bool:
        return self.ours


@dataclass
class Months:
    """One node; `of_store` gives another one on the same books."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    store: MemoryStore = field(default_factory=MemoryStore)
    policy: ReconcilePolicy = field(default_factory=lambda: ReconcilePolicy(ask_batch=3))
    node: str = "n1"
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    bureau: PretendBureau = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.bureau = self.bureau or PretendBureau(self.clock, COMPARING)
        self.ledger = MemoryLedger(self.node, store=self.store)
        self.calls = OurCalls()
        calls, channels = cast(Calls, self.calls), {self.bureau.name: self.bureau}
        self.ids = IdMaker(self.clock.now)
        self.reconciler = Reconciler(self.ledger, channels, calls, self.clock, self.policy)
        self.desk = MonthDesk(self.ledger, self.clock)
        self.closer = MonthCloser(self.ledger, channels, calls, self.clock, self.desk)
        pairs, shards = [(SELLER, self.bureau.name)], cast(Shards, self.calls)
        errands = Policy(errand_patience=30.0)
        self.watch = MonthWatch(
            self.ledger,
            pairs,
            self.reconciler,
            self.desk,
            self.closer,
            shards,
            self.clock,
            self.ids,
            errands,
            self.policy,
        )

    def of_store(self) -> Months:
        """A node that starts anew on the same books, beside the same bureau."""
        return Months(self.clock, self.store, self.policy, f"{self.node}+", self.numbers, self.bureau)

    @property
    def place(self) -> tuple[str, str, str]:
        return SELLER, self.bureau.name, MONTH

    async def content(self, month: str = MONTH) -> MonthContent:
        book = await self.ledger.month_book(SELLER, self.bureau.name, month)
        return load(book.content) if book else MonthContent()

    async def begin(self, manner: Manner, asked_by: str | None = None) -> Run:
        return await begin_run(self.ledger, self.place, manner, asked_by, self.ids.next(), self.clock.now())

    def ours(self, amount: str = "100.00", state: State = State.CONFIRMED, **changes: Any) -> InvoiceRecord:
        """An invoice of our books, and nothing in theirs."""
        at = next(self.numbers)
        sign = -1 if amount.startswith("-") else 1
        tax = Decimal("6.00") * sign
        record = InvoiceRecord(
            id=at, taxpayer=SELLER, order=f"o{at}", channel=self.bureau.name, kind="general", number=f"26{at:018d}",
            state=state, version=1, amount=Decimal(amount), tax=tax, total=Decimal(amount) + tax, made_at=MADE,
            sent_at=MADE, accepted_at=MADE if state is State.CONFIRMED else None, month=month_of(MADE),
            content=b"{}", content_digest=b"", next_at=None, deadline=MADE + timedelta(hours=48), submission=None,
            submitted_at=None, unknown_since=MADE if state is State.UNKNOWN else None, denials=0, late_denials=0,
            tries=1, doubt=False, refused=False, alone=False, alarmed=0, provenance=None, problem_code=None,
            problem=None,
        )  # fmt: skip
        record = replace(record, **changes)
        self.store.keep(record)
        self.store.numbers[record.taxpayer, record.number or ""] = record.id
        face = invoice_bytes(invoice(record.number or "", amount=record.amount, tax=record.tax, total=record.total))
        document = SealedDocument(b"<x/>", face, sm3(b"<x/>"), b"s", "seal-1", "SM2-SM3")
        self.store.sealed[record.taxpayer, record.id] = document
        return record

    def theirs(self, record: InvoiceRecord, **changes: Any) -> ListedInvoice:
        """The bureau holds it, as we have it but for the changes."""
        sound = ListedInvoice(
            record.number or "", record.kind, record.total >= 0, record.amount, record.tax, record.total,
            "91110000000000000B", "测试购买有限公司",
            sm3(self.store.sealed[record.taxpayer, record.id].invoice),
        )  # fmt: skip
        listed = replace(sound, **changes)
        if changes and "content_digest" not in changes:
            listed = replace(listed, content_digest=sm3(repr(changes).encode()))
        self.bureau.lists.setdefault((MONTH, listed.kind), []).append(listed)
        assert listed.content_digest is not None
        self.bureau.held[listed.number] = listed.content_digest
        self.bureau.shown_from[listed.number] = MADE
        self.count(listed)
        return listed

    def forget(self, record: InvoiceRecord) -> None:
        """Our books know nothing of it any more."""
        self.store.by_state[record.state].pop((SELLER, record.id))
        del self.store.invoices[SELLER, record.id]
        del self.store.numbers[SELLER, record.number or ""]

    def both(self, amount: str = "100.00", **changes: Any) -> InvoiceRecord:
        record = self.ours(amount, **changes)
        self.theirs(record)
        return record

    def count(self, listed: ListedInvoice) -> None:
        """The bureau's totals of the month, with one more."""
        old = self.bureau.totals.get(MONTH, MonthTotals())
        colour = "blue" if listed.blue else "red"
        add = {"count": 1, "amount": listed.amount, "tax": listed.tax}
        new = {f"{colour}_{name}": getattr(old, f"{colour}_{name}") + value for name, value in add.items()}
        self.bureau.totals[MONTH] = replace(old, **new)

    async def events(self, kind: str) -> list[dict[str, Any]]:
        return [dict(e.data) for e in await self.ledger.events(taxpayer=SELLER) if e.kind == kind]
