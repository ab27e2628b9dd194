"""The port to the far side. A channel transforms and classifies; it never retries and never stores.

No method raises for what the network or the bureau did: that is an `Answer`. Whether sending again is safe is decided
by its `outcome`, which comes from the phase reached (rule R3) or from the table of known answers (data).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Outcome(StrEnum):
    OK = "ok"
    NOT_SENT = "not_sent"  # no byte of the request left this machine
    NOT_ACCEPTED = "not_accepted"  # answered, and surely not taken in (session, signature, rate limit, ...)
    REJECTED = "rejected"  # taken in and refused for a reason of content
    ALREADY_ACCEPTED = "already_accepted"  # a duplicate: evidence, not failure (R6)
    IN_PROGRESS = "in_progress"
    AMBIGUOUS = "ambiguous"  # sent without a believable answer: UNKNOWN (R4)
    RETRY = "retry"  # the bureau's own fault; the same again, later
    DELIVERY_ONLY = "delivery_only"  # the invoice is valid, only its delivery failed


class Phase(StrEnum):
    RESOLVE = "resolve"
    CONNECT = "connect"
    HANDSHAKE = "handshake"
    WRITE = "write"
    WAIT = "wait"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """Seconds since the call began, real time. `end` is None for the phase in which it failed or was cut off."""

    phase: Phase
    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class FarTime:
    """The far side's clock, as the Date of its answer told it. All in seconds since 1970: `date` by its clock, the others by
    this machine's: it was written after `sent` and before `received`."""

    date: float
    sent: float
    received: float


@dataclass(frozen=True, slots=True)
class Missed:
    """An endpoint that a call tried first and of which not one byte of the request was sent. `code`: why."""

    endpoint: str
    code: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened on the wire. `bytes_sent`: bytes of this request that the kernel accepted (TLS records of
    application data; handshake not counted). `reused`: a kept connection, so earlier phases are missing. `endpoint`: where
    it went (scheme://host:port), empty where nobody said; `missed`: the endpoints of the same register that it tried before.
    `stale`: the address was the last known good one, because no name server answered."""

    reached: Phase
    spans: tuple[PhaseSpan, ...]
    bytes_sent: int
    reused: bool
    peer: str | None  # address:port
    far_time: FarTime | None = None
    endpoint: str = ""
    missed: tuple[Missed, ...] = ()
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """`code` and `message` are the bureau's own (or a stable cause such as `connect.refused`); `retry_after` in seconds."""

    outcome: Outcome
    value: T | None = None
    code: str | None = None
    message: str | None = None
    retry_after: float | None = None
    timeline: Timeline | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What issuing asks of a channel instead of which one it is. Durations in seconds of the platform's clock."""

    number_first: bool
    upload_batch: int  # invoices per call
    segment_limit: int  # numbers per pull
    settle: float  # longer than the far side's own limit (R4)
    visibility: float  # how long the far side may hide what it holds (R4)
    upload_window: float  # made → uploaded
    result_window: float  # submitted → result can be polled
    first_poll: float
    poll_max: float
    ask_spacing: float  # between two asks about one number
    calls_per_second: float = 5.0  # per taxpayer, the far side's limit
    special_elements: bool = False  # can it carry 特定要素? (the base ability of the direct channel cannot)
    monthly_summary: bool = False  # has it 汇总确认?
    list_kinds: tuple[
        str, ...
    ] = ()  # values of `Kind` that a list of what was issued can be had of; none: no list at all
    lists_a_day: int = 1  # requests for a list, of each month and kind, in a day of Asia/Shanghai
    lists_this_month: int = 5  # of the month that it now is
    lists_past_month: int = 3
    list_wait: float = 240.0  # between two looks at a list that is being made


@dataclass(frozen=True, slots=True)
class Segment:
    first: str
    last: str
    quantity: int


@dataclass(frozen=True, slots=True)
class QuotaStanding:
    """CXSXED: the month's total, what is usable, its validity; `paused` = ztsxbz."""

    total: Decimal
    usable: Decimal
    paused: bool
    month: str
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class QuotaGrant:
    amount: Decimal
    valid_from: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class UploadItem:
    """One frozen invoice to upload. `invoice` is the complete invoice as canonical JSON (`invoice.canonical`), `xml` and
    `seal` the frozen document."""

    number: str
    made_at: datetime
    invoice: bytes
    xml: bytes
    seal: bytes
    key_id: str


class ItemStatus(StrEnum):
    CONFIRMED = "00"
    PROCESSING = "01"
    REJECTED = "02"
    DUPLICATE = "03"


@dataclass(frozen=True, slots=True)
class ItemResult:
    number: str
    status: ItemStatus
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What the bureau holds under a number. `content_digest` is comparable with `Channel.content_digest` of ours."""

    number: str
    content_digest: bytes
    total: Decimal


@dataclass(frozen=True, slots=True)
class TaxpayerStanding:
    """`may_issue` by business rule 4.7; `reason` names the field that forbids it."""

    tax_number: str
    name: str
    status: str
    may_issue: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class MonthTotals:
    """Invoices of one month: counts, amount without tax and tax in CNY (red ones negative)."""

    blue_count: int = 0
    blue_amount: Decimal = Decimal(0)
    blue_tax: Decimal = Decimal(0)
    red_count: int = 0
    red_amount: Decimal = Decimal(0)
    red_tax: Decimal = Decimal(0)


class MonthState(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"  # by the taxpayer: closed until that is cancelled
    CLOSED = "closed"  # by the bureau, on the 13th of the next month at 00:00, for good


@dataclass(frozen=True, slots=True)
class MonthSummary:
    """CXFPHZQRXX: how a month (yyyy-MM, Asia/Shanghai) stands, and the bureau's own totals of it."""

    month: str
    state: MonthState
    totals: MonthTotals
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListedInvoice:
    """One invoice of the bureau's list. `content_digest` as in `Held`; None where the list has not the whole content."""

    number: str
    kind: str  # a value of `Kind`, or the bureau's own code
    blue: bool
    amount: Decimal
    tax: Decimal
    total: Decimal
    buyer: str  # tax number, "" for none
    buyer_name: str
    content_digest: bytes | None


@dataclass(frozen=True, slots=True)
class ListPacket:
    """One packet of a list; `packets` of them, numbered from 1, hold its `invoices` in all."""

    packet: int
    packets: int
    invoices: int
    entries: tuple[ListedInvoice, ...]


class Channel(Protocol):
    name: str
    capabilities: Capabilities

    async def pull_numbers(self, taxpayer: str, quantity: int, serial: str) -> Answer[Segment]: ...
    async def quota(self, taxpayer: str) -> Answer[QuotaStanding]: ...
    async def move_quota(
        self, taxpayer: str, amount: Decimal, serial: str, *, returning: bool
    ) -> Answer[QuotaGrant]: ...
    async def upload(self, taxpayer: str, items: Sequence[UploadItem], wire_id: str) -> Answer[str]:
        """The value is the acceptance number (sllsh)."""
        ...

    async def poll(self, taxpayer: str, submission: str) -> Answer[list[ItemResult]]: ...
    async def ask(
        self, taxpayer: str, number: str, made_at: datetime, total: Decimal, kind: str
    ) -> Answer[Held | None]:
        """Ask by our own number (FPZTXXCX, FPCY_NEW). OK with None: the bureau says it does not hold it."""
        ...

    def content_digest(self, item: UploadItem) -> bytes:
        """SM3 over the tax-relevant content, as `Held.content_digest` has it."""
        ...

    async def summary(self, taxpayer: str, month: str) -> Answer[MonthSummary]:
        """The month as the bureau has it (CXFPHZQRXX)."""
        ...

    async def confirm_month(self, taxpayer: str, month: str, totals: MonthTotals) -> Answer[None]:
        """Confirm it with these totals (SCFPHZQRXX), which closes it at once. REJECTED: the totals are not the bureau's, or
        it is closed for good."""
        ...

    async def unconfirm_month(self, taxpayer: str, month: str) -> Answer[None]: ...
    async def apply_list(self, taxpayer: str, month: str, kind: str) -> Answer[str]:
        """Apply for the list of what was issued in a month (PLFPXZSQ); spends a request. The value is its ticket."""
        ...

    async def list_packet(self, taxpayer: str, ticket: str, packet: int) -> Answer[ListPacket]:
        """A packet of a list (PLFPXZSQFK), from 1. IN_PROGRESS while it is being made. Spends nothing."""
        ...

    async def standing(self, taxpayer: str) -> Answer[TaxpayerStanding]: ...
    async def rates(self, taxpayer: str) -> Answer[list[Decimal]]: ...
    async def health(self) -> Answer[None]:
        """Is the far side there? A query, never an upload (R11)."""
        ...

    def serial(self) -> str:
        """A fresh ywlsh for numbers and quota."""
        ...

    async def close(self) -> None: ...
