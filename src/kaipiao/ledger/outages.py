"""Outages of channels, as all nodes of one ledger know them. Instants are of the platform's clock, in UTC.

One revision covers the cursor in the trail and all outages: a change that was derived from an older revision stores nothing.
So whoever derives, and however many do, each event of the trail counts once and a channel has one open outage at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kaipiao.ledger.port import EventDraft


@dataclass(frozen=True, slots=True)
class OutageWatch:
    """`position`: up to which the platform's own events are taken in. `recent`: JSON, what the next outage may be due to."""

    revision: int = 0
    position: int = 0
    recent: str = "{}"


@dataclass(frozen=True, slots=True)
class OutageRow:
    """An outage as it stands. `back_at`: the mode is online again. `drained_at`: what was issued during it is no debt any more.
    `closed_at` None: it is open. `detail`: JSON. `report`: the sealed closing report, empty while it is open."""

    id: int
    channel: str
    begun_at: datetime
    back_at: datetime | None
    drained_at: datetime | None
    closed_at: datetime | None
    detail: str
    report: bytes = b""


@dataclass(frozen=True, slots=True)
class OutageSums:
    """`issued` = `uploaded` + `waiting` + what ended otherwise. `late`: uploaded after its window had closed, expired, or still
    waiting although it has closed."""

    issued: int = 0
    uploaded: int = 0
    waiting: int = 0
    late: int = 0

    def __add__(self, other: OutageSums) -> OutageSums:
        return OutageSums(
            self.issued + other.issued,
            self.uploaded + other.uploaded,
            self.waiting + other.waiting,
            self.late + other.late,
        )


@dataclass(frozen=True, slots=True)
class Made:
    """Invoices of one taxpayer on one channel, made from `first` (inclusive) until `end` (exclusive)."""

    taxpayer: str
    channel: str
    first: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class ListedInvoice:
    """An issued invoice in a list: `digest` is SM3 of its frozen XML."""

    made_at: datetime
    id: int
    number: str
    digest: bytes


class OutageBooks(Protocol):
    """The part of the ledger that is about outages."""

    async def outage_watch(self) -> OutageWatch: ...

    async def save_outages(
        self, watch: OutageWatch, outages: Sequence[OutageRow], events: Sequence[EventDraft]
    ) -> bool:
        """In one commit: the watch takes the place of the revision before it (`watch.revision` - 1), the outages are as they
        stand here, the events happened. False, and nothing stored, when another node was faster. Raises for
        a second open outage of a channel."""
        ...

    async def outages(
        self, *, channel: str | None = None, open_only: bool = False, before: int | None = None, limit: int = 100
    ) -> list[OutageRow]:
        """The latest first, ids < before."""
        ...

    async def outage(self, outage: int) -> OutageRow | None: ...

    async def outage_sums(self, made: Made, window: timedelta, closes: datetime, now: datetime) -> OutageSums:
        """Of issued invoices. `window`: after its making an invoice must be uploaded within so long, and before `closes`."""
        ...

    async def outage_invoices(self, made: Made, after: tuple[datetime, int], limit: int) -> list[ListedInvoice]:
        """Issued invoices by made_at and id, those behind `after`."""
        ...
