"""One view of the trail for those who audit: what was done to invoices, to accounts and to keys, by whom, from where.

It reads the trail itself and stores nothing. A page looks at so many events and no more; where it stopped is part of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from kaipiao.ledger.lists import ListBooks
from kaipiao.ledger.port import ALWAYS, Event, Span

BATCH = 500  # events of a read
MOST_LOOKED_AT = 5_000  # events for one page
SLACK = timedelta(hours=1)  # by which events of several writers may stand out of the order of their instants
EARLIEST, LATEST = (bound.replace(tzinfo=UTC) for bound in (datetime.min, datetime.max))
ACCESS = "access."
About = Literal["account", "key", "order", "platform", "source", "taxpayer", "token"]
Subject = tuple[About, str | None]  # and which
NAMED: tuple[tuple[About, str], ...] = (
    ("account", "account"),
    ("token", "token"),
    ("token", "token_subject"),
    ("key", "key"),
)  # what tells it in the data of an access event
Read = Callable[[int], Awaitable[list[Event]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events. `taxpayers`: whose may be seen; `whole`: everything of the installation; else, of the platform's own,
    those that name `tenant`. `kind`: a kind, or how it begins up to a dot."""

    taxpayers: tuple[str, ...]
    whole: bool
    tenant: str | None = None
    taxpayer: str | None = None
    kind: str | None = None
    about: About | None = None
    actor: str | None = None
    account: str | None = None
    order: str | None = None
    span: Span = ALWAYS

    def holds(self, event: Event) -> bool:
        subject_kind, _ = subject_of(event)
        return (
            self._visible(event)
            and self.taxpayer in (None, event.taxpayer)
            and (self.kind is None or event.kind == self.kind or event.kind.startswith(f"{self.kind}."))
            and self.about in (None, subject_kind)
            and self.actor in (None, event.data.get("actor"))
            and self.account in (None, event.data.get("account"))
            and self.order in (None, event.subject)
            and (self.span.first is None or event.at >= self.span.first)
            and (self.span.end is None or event.at < self.span.end)
        )

    @property
    def of_platform_only(self) -> bool:
        """Nothing of an invoice can be among them."""
        kind = self.kind is not None and f"{self.kind}.".startswith(ACCESS)
        return kind or self.account is not None or self.about in ("account", "key", "source", "token")

    def _visible(self, event: Event) -> bool:
        if self.whole:
            return True
        if event.taxpayer is not None:
            return event.taxpayer in self.taxpayers
        return self.tenant is not None and event.data.get("tenant") == self.tenant


@dataclass(frozen=True, slots=True)
class Page:
    """`next_place`: go on after this position; None: there is no more now."""

    events: list[Event]
    next_place: int | None


def subject_of(event: Event) -> Subject:
    """What an event is about."""
    data = event.data
    if event.kind.startswith(ACCESS):
        for kind, name in NAMED:
            if data.get(name) is not None:
                return kind, str(data[name])
        return "source", None if data.get("source") is None else str(data["source"])
    if event.subject is not None:
        return "order", event.subject
    return ("platform", None) if event.taxpayer is None else ("taxpayer", event.taxpayer)


async def page(ledger: ListBooks, wanted: Wanted, after: int, limit: int) -> Page:
    """Up to `limit` events after the position, in its order."""
    place = max(after, await _begin(ledger, wanted.span.first)) if wanted.span.first else after
    found: list[Event] = []
    for _ in range(0, MOST_LOOKED_AT, BATCH):
        seen, more = await _following(_sources(ledger, wanted), place)
        for event in seen:
            if _is_over(wanted.span.end, event):
                return Page(found, None)
            place = event.position
            if wanted.holds(event):
                found.append(event)
                if len(found) == limit:
                    return Page(found, place)
        if not more:
            return Page(found, None)
    return Page(found, place)


def _sources(ledger: ListBooks, wanted: Wanted) -> list[Read]:
    """The narrowest parts of the trail in which all that is wanted lies."""
    if wanted.of_platform_only:
        return [_platform(ledger)]
    if wanted.taxpayer is not None:
        return [_of(ledger, wanted.taxpayer, wanted.order)]
    if wanted.whole:
        return [_whole(ledger, wanted.order)]
    return [_of(ledger, one, wanted.order) for one in wanted.taxpayers] + [_platform(ledger)]


def _platform(ledger: ListBooks) -> Read:
    return lambda place: ledger.platform_events(after=place, limit=BATCH)


def _of(ledger: ListBooks, taxpayer: str, order: str | None) -> Read:
    return lambda place: ledger.events(taxpayer=taxpayer, subject=order, after=place, limit=BATCH)


def _whole(ledger: ListBooks, order: str | None) -> Read:
    return lambda place: ledger.events(subject=order, after=place, limit=BATCH)


async def _following(sources: list[Read], place: int) -> tuple[list[Event], bool]:
    """(the next events of all the sources in order, may there be more). Where one of them has more than was read, nothing
    behind what was read of it counts."""
    parts = [await read(place) for read in sources]
    full = [part[-1].position for part in parts if len(part) >= BATCH]
    merged = sorted((event for part in parts for event in part), key=lambda event: event.position)
    if full:
        merged = [event for event in merged if event.position <= min(full)]
    return merged, bool(full)


def _is_over(end: datetime | None, event: Event) -> bool:
    return end is not None and end < LATEST - SLACK and event.at >= end + SLACK


async def _begin(ledger: ListBooks, first: datetime) -> int:
    """A position before everything that took place from then on: found by halving, not by reading."""
    wanted = first - SLACK if first > EARLIEST + SLACK else first
    low, high = 0, await ledger.last_position()
    while low < high:
        middle = (low + high) // 2
        found = await ledger.events(after=middle, limit=1)
        if found and found[0].at < wanted:
            low = found[0].position
        else:
            high = middle
    return low
