"""What the memory ledger holds. Several handles (nodes) may share one store; nothing of it outlives the process."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import check_event
from kaipiao.ledger.continuity import Checkpoint, HourTotal
from kaipiao.ledger.memory.alarm_tables import AlarmTables
from kaipiao.ledger.memory.people import People
from kaipiao.ledger.month_books import FindingRow, MonthBook
from kaipiao.ledger.outages import OutageRow, OutageWatch
from kaipiao.ledger.port import (
    ChainHead,
    Event,
    EventDraft,
    InvoiceRecord,
    QuotaRequest,
    SealedDocument,
    SegmentRequest,
    Standing,
    Taxpayer,
    UploadEnd,
)
from kaipiao.ledger.requests import Row
from kaipiao.ledger.trail import ChainTip, chained, data_text

ZERO = Decimal("0.00")


@dataclass(slots=True)
class Segment:
    """A pull of numbers. `size` is 0 until the bureau has answered; `carved` of them went into blocks."""

    request: SegmentRequest
    first: int = 0
    size: int = 0
    carved: int = 0
    expired: int = 0  # of the numbers never carved


@dataclass(slots=True)
class HeldBlock:
    """A range of numbers with its epoch. `node` is None when nobody holds it."""

    id: int
    segment: Segment
    first: int
    size: int
    epoch: int = 0
    node: str | None = None
    lease_until: float = 0.0
    used: int = 0
    expired: int = 0

    @property
    def unused(self) -> int:
        return self.size - self.used - self.expired


@dataclass(slots=True)
class Account:
    """The quota of one month. `left` is derived, so that the sum always holds."""

    downloaded: Decimal = ZERO
    returned: Decimal = ZERO
    issued: Decimal = ZERO
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    @property
    def left(self) -> Decimal:
        return self.downloaded - self.returned - self.issued


@dataclass(slots=True)
class QuotaEntry:
    """A download or return; `filled` is the amount that the bureau answered."""

    request: QuotaRequest
    filled: Decimal | None = None


@dataclass(slots=True)
class UploadRow:
    """A wire call with its attempts: {invoice id: outcome class, None while it runs}."""

    id: int
    wire_id: str
    taxpayer: str
    channel: str
    node: str
    begun_at: datetime
    attempts: dict[int, str | None]
    end: UploadEnd | None = None


@dataclass(slots=True)
class HeldShard:
    """A taxpayer and the node that works for it; None when it was let go. `short`: its stock is used up."""

    node: str | None = None
    epoch: int = 0
    short: bool = False


@dataclass(slots=True)
class MemoryStore:
    """The tables. Keys begin with the taxpayer wherever the table does."""

    taxpayers: dict[str, Taxpayer] = field(default_factory=dict)
    segments: dict[tuple[str, str], Segment] = field(default_factory=dict)
    blocks: dict[tuple[str, int], HeldBlock] = field(default_factory=dict)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    quota_entries: dict[tuple[str, str], QuotaEntry] = field(default_factory=dict)
    accounts: dict[tuple[str, str, str], Account] = field(default_factory=lambda: defaultdict(Account))
    orders: dict[tuple[str, str], int] = field(default_factory=dict)
    invoices: dict[tuple[str, int], InvoiceRecord] = field(default_factory=dict)
    by_state: dict[State, dict[tuple[str, int], None]] = field(default_factory=lambda: {s: {} for s in State})
    taken_quota: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    sealed: dict[tuple[str, int], SealedDocument] = field(default_factory=dict)
    uploads: dict[tuple[str, int], UploadRow] = field(default_factory=dict)
    shards: dict[str, HeldShard] = field(default_factory=dict)
    nodes: dict[str, float] = field(default_factory=dict)  # until when each is there, by the lease clock
    standings: dict[str, Standing] = field(default_factory=dict)
    people: People = field(default_factory=People)
    alarms: AlarmTables = field(default_factory=AlarmTables)
    requests: dict[tuple[str, str], tuple[Row, int]] = field(default_factory=dict)  # with when it counts for nothing
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    hours: dict[str, dict[datetime, HourTotal]] = field(default_factory=dict)  # by taxpayer and first instant
    outage_watch: OutageWatch = field(default_factory=OutageWatch)
    outages: dict[int, OutageRow] = field(default_factory=dict)
    month_books: dict[tuple[str, str, str], MonthBook] = field(default_factory=dict)
    findings: dict[tuple[str, str, str], dict[tuple[str, str], FindingRow]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    tips: dict[str, ChainTip] = field(default_factory=dict)
    heads: list[ChainHead] = field(default_factory=list)
    last_made_at: datetime | None = None

    def keep(self, record: InvoiceRecord) -> None:
        """Store an invoice, new or changed."""
        key = (record.taxpayer, record.id)
        if (before := self.invoices.get(key)) is not None:
            del self.by_state[before.state][key]
        self.invoices[key] = record
        self.by_state[record.state][key] = None

    def in_state(self, state: State) -> list[InvoiceRecord]:
        return [self.invoices[key] for key in self.by_state[state]]

    def append(self, writer: str, drafts: list[tuple[EventDraft, str]]) -> None:
        """Chain and store events; each comes with its data as canonical text, made before anything was changed."""
        for draft, text in drafts:
            tip = self.tips.get(writer) or ChainTip(writer)
            after = chained(tip, draft, text)
            self.tips[writer] = after
            self.events.append(
                Event(
                    position=len(self.events) + 1, writer=writer, sequence=after.sequence, kind=draft.kind,
                    at=draft.at, taxpayer=draft.taxpayer, subject=draft.subject, data=dict(draft.data),
                    previous=tip.hash, hash=after.hash,
                )
            )  # fmt: skip


def prepared(drafts: list[EventDraft]) -> list[tuple[EventDraft, str]]:
    """Events with their canonical data: what cannot be chained is refused here, before anything changes."""
    for draft in drafts:
        check_event(draft)
    return [(draft, data_text(draft.data)) for draft in drafts]
