"""The durable truth behind one port. Set-oriented: a list goes in, a list of the same length and order comes out.

No open transaction ever leaves it. Every change of an invoice is a conditional one (state and version) and carries its
event into the same commit. Every operation names the taxpayer (seller's tax number) where the table does: isolation, and
the sharding key. `at` and `now` are instants of the platform's clock, in UTC; leases go by the ledger's own clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.accounts import AccountBooks
from kaipiao.ledger.alarms import AlarmBooks
from kaipiao.ledger.continuity import ContinuityBooks
from kaipiao.ledger.month_books import MonthBooks
from kaipiao.ledger.outages import OutageBooks
from kaipiao.ledger.requests import RequestBooks
from kaipiao.ledger.revocations import RevocationBooks

# --- invoices -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event before it is chained. `data` holds digests and codes, never buyers' data; values are str, int, bool or None."""

    kind: str  # "issued", "upload.begun", "upload.ended", "state.confirmed", "alarm.unknown50", ...
    at: datetime
    taxpayer: str | None = None
    subject: str | None = None  # the order key
    data: Mapping[str, str | int | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A chained event. `hash` = SM3 over the canonical bytes of everything before it in this record; `previous` is the
    hash of the same writer's event `sequence - 1` (32 zero bytes for the first)."""

    position: int  # order of reading within this ledger, for paging; not part of the chain
    writer: str
    sequence: int  # 1, 2, 3 … per writer
    kind: str
    at: datetime
    taxpayer: str | None
    subject: str | None
    data: Mapping[str, str | int | bool | None]
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class ChainHead:
    """A signed head: all events of `writer` up to `sequence` end in `hash`."""

    writer: str
    sequence: int
    hash: bytes
    at: datetime
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class SealedDocument:
    """The frozen XML with its proof, and the complete invoice as canonical JSON (`invoice.canonical`): what a channel is
    fed with. Both are frozen by the same commit."""

    xml: bytes
    invoice: bytes
    digest: bytes  # SM3 of `xml`
    seal: bytes
    key_id: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class Admission:
    """An order to be admitted. With a number: issued. Without one: accepted (asynchronous intake, answer-first channel, or
    no budget); it then has neither quota nor document. An accepted order is numbered by admitting it again under its own id,
    this time with number, block, epoch, quota and document."""

    id: int  # 63 bits, time-ordered, made by the application
    taxpayer: str
    order: str
    channel: str
    kind: str
    content: bytes  # canonical JSON of the request
    content_digest: bytes  # SM3 of `content`: what R2 compares
    amount: Decimal  # without tax
    tax: Decimal
    total: Decimal
    made_at: datetime
    month: str  # of made_at, yyyy-MM in Asia/Shanghai
    state: State = State.ISSUED
    number: str | None = None
    block: int | None = None
    epoch: int | None = None
    quota: Decimal = Decimal(0)  # what it takes from the month's quota
    document: SealedDocument | None = None
    next_at: datetime | None = None  # when the uploader shall look at it
    deadline: datetime | None = None  # resolve-by (R5)
    replaces: int | None = None  # the predecessor's id (R14)
    window_closed: bool = False  # the bureau takes the predecessor no more, whoever may still send it
    event: EventDraft | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """From `first` (inclusive) until `end` (exclusive); None: without a bound."""

    first: datetime | None = None
    end: datetime | None = None


ALWAYS = Span()


@dataclass(frozen=True, slots=True)
class InvoiceRecord:
    """One row of `invoice`, as it stands now (a cache of its events)."""

    id: int
    taxpayer: str
    order: str
    channel: str
    kind: str
    number: str | None
    state: State
    version: int  # + 1 with every change
    amount: Decimal
    tax: Decimal
    total: Decimal
    made_at: datetime  # R1: made, sent, accepted are three stamps
    sent_at: datetime | None
    accepted_at: datetime | None
    month: str
    content: bytes
    content_digest: bytes
    next_at: datetime | None
    deadline: datetime | None
    submission: str | None  # sllsh of the last submission
    submitted_at: datetime | None
    unknown_since: datetime | None
    denials: int  # settled answers "not found" since the last send
    late_denials: int  # of these, asked after the visibility time
    tries: int  # wire calls begun
    doubt: bool  # some copy went out and was not answered
    refused: bool  # a refusal came after a doubt: believed only when asking finds nothing
    alone: bool  # to be uploaded in a call of its own (its batch was refused as a whole)
    alarmed: int  # R5: 0, 50 or 80
    provenance: str | None  # "result", "duplicate", "asked"
    problem_code: str | None
    problem: str | None  # the bureau's own words
    replaces: int | None = None


class AdmitOutcome(StrEnum):
    ADMITTED = "admitted"
    KNOWN = "known"  # the order key exists: `record` is what it has
    FENCED = "fenced"  # the block's epoch is over, nothing stored
    NUMBER_USED = "number_used"  # nothing stored; a defect or a stale block
    QUOTA_SHORT = "quota_short"  # nothing stored


@dataclass(frozen=True, slots=True)
class AdmitResult:
    outcome: AdmitOutcome
    record: InvoiceRecord | None = None  # for ADMITTED and KNOWN


# What an `Advance` may set beside the state; None leaves a column as it is only when the key is missing.
ADVANCE_COLUMNS = frozenset(
    {
        "next_at", "deadline", "submission", "submitted_at", "sent_at", "accepted_at", "unknown_since", "denials",
        "late_denials", "doubt", "refused", "alone", "alarmed", "provenance", "problem_code", "problem", "number",
    }
)  # fmt: skip

Value = str | int | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Advance:
    """A conditional change of one invoice: it holds only while `version` does and the lifecycle allows it (`to` may equal
    the present state). Its event goes into the same commit; None only when nothing changed but the time of the next look."""

    taxpayer: str
    id: int
    version: int
    to: State
    changes: Mapping[str, Value]
    event: EventDraft | None


# --- numbers and quota ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SegmentRequest:
    """A pull of numbers that is written down before it is sent: `serial` (ywlsh) makes the bureau's answer repeatable."""

    taxpayer: str
    channel: str
    year: int  # four digits, Asia/Shanghai
    serial: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Block:
    """Numbers that one node holds in memory. `numbers` are the unused ones, counted after the epoch was raised."""

    id: int
    taxpayer: str
    channel: str
    year: int
    epoch: int
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumberCounts:
    """`pulled` = `free` + `leased` + `used` + `expired`, always."""

    pulled: int
    free: int
    leased: int
    used: int
    expired: int


@dataclass(frozen=True, slots=True)
class QuotaRequest:
    """A download (+) or return (-) of quota, written down before it is sent."""

    taxpayer: str
    channel: str
    month: str
    serial: str
    amount: Decimal  # > 0
    returning: bool = False


@dataclass(frozen=True, slots=True)
class QuotaAccount:
    """`downloaded` − `returned` − `issued` = `left` ≥ 0, always."""

    downloaded: Decimal
    returned: Decimal
    issued: Decimal
    left: Decimal
    valid_from: datetime | None
    valid_until: datetime | None


# --- uploads --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Upload:
    """One wire call that was begun: the rows `upload` and, for each invoice, `attempt` are committed with it."""

    id: int
    wire_id: str
    taxpayer: str
    channel: str
    node: str
    begun_at: datetime
    records: tuple[InvoiceRecord, ...]  # now `uploading`, with their new version
    documents: tuple[SealedDocument | None, ...]


@dataclass(frozen=True, slots=True)
class UploadEnd:
    """What became of a wire call. `phase`: resolve, connect, handshake, write, wait, answer. `attempts` gives the outcome
    class of each invoice in it by id."""

    id: int
    taxpayer: str
    ended_at: datetime
    phase: str
    bytes_sent: int
    outcome: str
    cause: str | None
    submission: str | None
    timeline: str  # JSON: [[phase, start_ms, end_ms], …]
    attempts: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Holding:
    """What a node has to work for. A shard is a taxpayer: all wire calls for it come from the node that holds it."""

    mine: frozenset[str]  # shards of this node, until the lease is over
    short: frozenset[str]  # of these: another node ran out of numbers or quota since the last time
    surplus: int  # so many of them are more than this node's share, to be let go when no call of theirs is under way
    present: frozenset[str]  # nodes that were there within their lease, or one more such time ago


@dataclass(frozen=True, slots=True)
class Standing:
    """What the bureau last said of a taxpayer. `refusal`: why it may not issue; None: it may."""

    refusal: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Taxpayer:
    """A seller known to the ledger."""

    taxpayer: str
    tenant: str
    name: str
    channels: tuple[str, ...]  # in order of preference


class Ledger(
    AccountBooks, AlarmBooks, OutageBooks, RequestBooks, RevocationBooks, ContinuityBooks, MonthBooks, Protocol
):
    """The port; `AccountBooks` is its part about people, `AlarmBooks` about alarms, `OutageBooks` about outages, `RequestBooks` about requests with a key, `RevocationBooks` about
    revoked tokens, `ContinuityBooks` about modes, budgets and cover, `MonthBooks` about months. Adapters: memory, SQLite, PostgreSQL. All raise `LedgerFault` when they cannot do it, and `OutcomeUnknown` when a commit was sent and its fate is not known."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    # taxpayers
    async def save_taxpayers(self, taxpayers: Sequence[Taxpayer]) -> None: ...
    async def taxpayers(self) -> list[Taxpayer]: ...

    # numbers
    async def open_segment_request(self, request: SegmentRequest, at: datetime) -> SegmentRequest:
        """Write the request down. If an unanswered one exists for the same taxpayer, channel and year, that one is
        returned instead and nothing is written: it must be asked again by its own serial and quantity."""
        ...

    async def fill_segment(self, taxpayer: str, serial: str, first: str, last: str, at: datetime) -> None:
        """The bureau's answer: numbers first…last (20 digits) become free. Idempotent by serial."""
        ...

    async def lease_block(
        self, taxpayer: str, channel: str, year: int, node: str, size: int, lease_seconds: float
    ) -> Block | None:
        """A block for this node: one whose lease ran out (or that was released) first, its epoch raised and committed
        before its unused numbers are counted; else a new one of up to `size` numbers; None when nothing is free."""
        ...

    async def reclaim_blocks(self, node: str) -> int:
        """Called at start-up, under the lock of the data directory: every block that this node's dead predecessor
        held is given up (epoch raised). Returns how many."""
        ...

    async def renew_blocks(
        self, node: str, epochs: Mapping[tuple[str, int], int], lease_seconds: float
    ) -> set[tuple[str, int]]:
        """Prolong the leases of {(taxpayer, block id): epoch}; returns those that still held."""
        ...

    async def release_blocks(self, node: str) -> None:
        """Clean shutdown: give every block of this node up (epoch raised)."""
        ...

    async def number_counts(self, taxpayer: str, channel: str, year: int) -> NumberCounts: ...
    async def expire_numbers(self, taxpayer: str, channel: str, before_year: int) -> int:
        """Unused numbers of earlier years become expired (epochs raised). Returns how many."""
        ...

    # quota
    async def open_quota_request(self, request: QuotaRequest, at: datetime) -> QuotaRequest:
        """As `open_segment_request`, per taxpayer, channel, month and direction. A return is booked at once (it lowers
        what is left); raises `QuotaExhausted` when less is left than shall be returned."""
        ...

    async def fill_quota(
        self,
        taxpayer: str,
        serial: str,
        amount: Decimal,
        valid_from: datetime,
        valid_until: datetime,
        at: datetime,
    ) -> None:
        """The bureau's answer. Idempotent by serial."""
        ...

    async def quota(self, taxpayer: str, channel: str, month: str) -> QuotaAccount: ...

    # admission
    async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        """One commit for all that wait (natural group commit). Each is conditional on its block's epoch, on the order
        key and the number being new, and on the quota. One that does not hold harms no other.

        Numbering: where the order is live under this very id, still ACCEPTED, and the admission has a number, the order
        becomes ISSUED (outcome ADMITTED, version + 1) under the same conditions of epoch, number and quota. Number, channel,
        amounts, quota, made_at, month, next_at, deadline and document are then what the numbering says, and a problem that
        kept it waiting is over; content, `replaces` and everything else stay. One event goes with it (kind "numbered" unless the caller gives another). The same call
        again, or any for an order that was numbered, cancelled or has ended otherwise meanwhile, is KNOWN. Of a numbering
        and a cancellation at once exactly one wins. The same id with other content is a defect, and nothing is stored.

        Succeeding (R14): with `replaces` the order's live invoice becomes REPLACED and this one is the live one, in one
        commit, if that is the predecessor, finally refused or expired, and each of its uploads has an outcome that its own
        sender gave, or its window is closed. Else KNOWN, with the live invoice. What it took of the quota of the same channel
        and month is given back in that commit, before the successor takes its own."""
        ...

    async def accepted_taxpayers(self) -> list[str]:
        """Who has accepted orders that wait for a number, in order of tax number."""
        ...

    async def accepted(self, taxpayer: str, now: datetime, limit: int) -> list[InvoiceRecord]:
        """Accepted orders of one taxpayer whose next_at has come, oldest made_at first."""
        ...

    # reading
    async def find(
        self, taxpayer: str, *, orders: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> list[InvoiceRecord]:
        """The live invoice of each order, or the invoice of each number; missing ones are left out."""
        ...

    async def page(
        self,
        taxpayer: str,
        *,
        states: Sequence[State] = (),
        after: int = 0,
        limit: int = 100,
        kind: str | None = None,
        channel: str | None = None,
        made: Span = ALWAYS,
    ) -> list[InvoiceRecord]:
        """By id, ascending, ids > after: those in one of the states (none given: in any), of the kind, of the channel,
        made within the span."""
        ...

    async def documents(self, taxpayer: str, ids: Sequence[int]) -> dict[int, SealedDocument]: ...
    async def state_counts(self, taxpayer: str) -> dict[State, int]: ...
    async def issued_since(self, taxpayer: str, since: datetime) -> tuple[int, Decimal]:
        """How many invoices were made since then, and how much quota they took."""
        ...

    async def oldest_debt(self, taxpayer: str) -> datetime | None:
        """made_at of the oldest invoice in a state of `lifecycle.DEBT`."""
        ...

    async def last_made_at(self) -> datetime | None:
        """The latest made_at of all: the clock must not run backwards past it."""
        ...

    # shards and what their holders tell the others
    async def hold_shards(
        self, node: str, taxpayers: Collection[str], seconds: float, *, short: Collection[str] = ()
    ) -> Holding:
        """This node is there for the next `seconds` of the ledger's clock, and keeps what it holds. `taxpayers` become
        shards if they are not yet; shards that nobody holds, or whose holder was not there in time, are taken up to this
        node's share of all there are (`shards.share`). `short`: of these, whoever holds them, the stock is used up."""
        ...

    async def release_shards(self, node: str, taxpayers: Collection[str] | None = None) -> None:
        """Let these go, of those that the node holds. None: all, and the node is gone (clean shutdown)."""
        ...

    async def save_standing(self, taxpayer: str, refusal: str | None, at: datetime) -> None:
        """What the holder was told; an older saying than the one that is there changes nothing."""
        ...

    async def standings(self) -> dict[str, Standing]:
        """By taxpayer, of those that were asked for."""
        ...

    # upload and settle
    async def due_pairs(self, now: datetime) -> list[tuple[str, str]]:
        """(taxpayer, channel) with issued invoices whose next_at has come, the earliest deadline first."""
        ...

    async def begin_upload(
        self, upload_id: int, wire_id: str, taxpayer: str, channel: str, node: str, limit: int, now: datetime
    ) -> Upload | None:
        """Claim up to `limit` issued, due invoices of one taxpayer and channel, earliest deadline then oldest first, and
        write `upload` and `attempt` rows and events, all in one commit. An invoice marked `alone` goes alone.
        `tries` + 1, `denials` and `late_denials` = 0, `sent_at` stays unset. None when nothing is due."""
        ...

    async def end_upload(self, end: UploadEnd, advances: Sequence[Advance]) -> list[bool]:
        """The outcome of the call and of each invoice, in one commit. An upload has one outcome, once: a second end is
        ignored but its advances are still tried."""
        ...

    async def open_uploads(self, node: str | None = None) -> list[Upload]:
        """Uploads without an outcome (of one node): after a crash they are UNKNOWN. `documents` is left empty."""
        ...

    async def due(
        self,
        state: State,
        now: datetime,
        limit: int,
        *,
        each: int | None = None,
        taxpayers: Collection[str] | None = None,
    ) -> list[InvoiceRecord]:
        """Invoices in this state whose next_at has come, of these taxpayers (None: of all), at most `each` of one. Fair:
        every taxpayer's oldest next_at comes before anybody's second."""
        ...

    async def alarming(self, now: datetime, limit: int) -> list[InvoiceRecord]:
        """UNKNOWN invoices that passed 50 % or 80 % of the way from unknown_since to deadline and whose `alarmed` does
        not say so yet."""
        ...

    async def advance(self, advances: Sequence[Advance]) -> list[bool]:
        """Apply each whose condition holds; False for the others."""
        ...

    # the trail
    async def append_events(self, events: Sequence[EventDraft]) -> None: ...
    async def events(
        self, *, taxpayer: str | None = None, subject: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]:
        """By position, ascending, positions > after."""
        ...

    async def last_position(self) -> int:
        """A position up to which no further event will ever come; 0 when there is none."""
        ...

    async def chain_tips(self) -> list[tuple[str, int, bytes]]:
        """(writer, sequence, hash) of each writer's last event."""
        ...

    async def save_head(self, head: ChainHead) -> None: ...
    async def heads(self) -> list[ChainHead]: ...

    def export(self) -> AsyncIterator[InvoiceRecord]:
        """Every invoice of every taxpayer, by taxpayer and id, without holding a lock meanwhile."""
        ...
