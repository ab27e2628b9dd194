"""What the nodes of one ledger work out together from the trail, and how busy each hour was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kaipiao.ledger.port import Event, EventDraft

HOUR = timedelta(hours=1)
HOURS_AT_ONCE = 48  # counted in one commit


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was worked out last. `version`: + 1 with every change, 1 for the first; `content`: text in ASCII."""

    version: int
    content: str


@dataclass(frozen=True, slots=True)
class HourTotal:
    """`invoices` made within the hour from `hour` on, and the `quota` that they took (CNY without tax)."""

    hour: datetime
    invoices: int
    quota: Decimal


class ContinuityBooks(Protocol):
    """The part of the ledger that modes, budgets and cover stand on."""

    async def signals(self, kinds: Collection[str], *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Events without a taxpayer, of these kinds, by position, positions > after. Costs nothing for other events."""
        ...

    async def checkpoint(self, name: str) -> Checkpoint | None: ...

    async def save_checkpoint(self, name: str, version: int, content: str, events: Sequence[EventDraft]) -> bool:
        """In one commit the content and its events, on the condition that the version is still this one (0: there is none
        yet). False, and nothing stored: another node was faster."""
        ...

    async def oldest_debts(self, taxpayers: Collection[str]) -> dict[str, datetime]:
        """`oldest_debt` of those who have any."""
        ...

    async def debts_of(self, places: Collection[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
        """Of each (taxpayer, channel) that has any: made_at of its oldest invoice in a state of `lifecycle.DEBT`."""
        ...

    async def shard_holders(self) -> dict[str, str]:
        """By taxpayer the node that holds its shard, of those that are held."""
        ...

    async def keep_hours(self, taxpayer: str, first: datetime, end: datetime) -> int:
        """Count the hours that were not counted yet, at most `HOURS_AT_ONCE`, from `first` or the first invoice on, before
        `end`; forget what lies before `first`. All instants are whole hours. Returns how many were counted; again until it
        is 0. Idempotent, and right whoever made the invoices, a program that knows nothing of hours too."""
        ...

    async def hours(self, taxpayer: str, wanted: Sequence[datetime]) -> list[HourTotal]:
        """Those of the wanted hours that were counted, in order of time."""
        ...


def hours_to_count(
    last: datetime | None, first_made: datetime | None, first: datetime, end: datetime
) -> list[datetime]:
    """The hours that `keep_hours` shall count now. `last`: the latest that was counted; `first_made`: of the first invoice
    that was made since `first`."""
    if last is not None:
        begin = max(first, last + HOUR)
    elif first_made is not None:
        begin = max(first, whole_hour(first_made))
    else:
        return []
    count = max(0, min(HOURS_AT_ONCE, (end - begin) // HOUR))
    return [begin + HOUR * i for i in range(count)]


def whole_hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)
