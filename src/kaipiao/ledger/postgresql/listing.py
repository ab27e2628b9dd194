"""Lists, counts and the trail of PostgreSQL, read over whatever connection there is: the primary's, or a copy's."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import ALWAYS, Event, InvoiceRecord, Span
from kaipiao.ledger.postgresql import account_statements
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.rows import order_digest, record_of
from kaipiao.ledger.postgresql.texts import original, stored
from kaipiao.ledger.rows import event_of, stored_span

_EXPORT_PAGE = 500
_GLANCES, _PAUSE = 25, 0.02  # how often, and seconds between, one looks for commits under way to come to their end


class Listing(ABC):
    """`lists.ListBooks`, and the whole books one after the other."""

    @abstractmethod
    async def _fetch(self, statement: str, *parameters: object) -> list[Any]:
        """The rows of a reading statement."""

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
        wanted = [str(state) for state in states] if states else None
        if made != ALWAYS:
            filters = (wanted, kind, channel, *stored_span(made))
            found = await self._fetch(sql.PAGE_MADE, taxpayer, after, limit, *filters)
        elif kind is not None or channel is not None:
            found = await self._fetch(sql.PAGE_OF, taxpayer, after, limit, wanted, kind, channel)
        elif states:
            found = await self._fetch(sql.PAGE_IN_STATES, taxpayer, after, limit, wanted)
        else:
            found = await self._fetch(sql.PAGE, taxpayer, after, limit)
        return [record_of(row) for row in found]

    async def state_counts(self, taxpayer: str) -> dict[State, int]:
        """A `Counter`: states that do not occur count 0."""
        counts = {State(state): count for state, count in await self._fetch(sql.STATE_COUNTS, taxpayer)}
        return +Counter(counts)

    async def events(
        self, *, taxpayer: str | None = None, subject: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]:
        return await settled_events(lambda: self._events(taxpayer, subject, after, limit))

    async def last_position(self) -> int:
        ((last,),) = await self._fetch(sql.LAST_POSITION)
        return int(last)

    async def platform_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        return await settled_events(lambda: self._fetch(account_statements.PLATFORM_EVENTS, after, limit))

    async def export(self) -> AsyncIterator[InvoiceRecord]:
        for (taxpayer,) in await self._fetch(sql.TAXPAYERS_WITH_INVOICES):
            after = 0
            while page := await self.page(taxpayer, after=after, limit=_EXPORT_PAGE):
                for record in page:
                    yield record
                after = page[-1].id

    async def _events(self, taxpayer: str | None, subject: str | None, after: int, limit: int) -> list[Any]:
        if taxpayer is not None and subject is not None:
            key = (taxpayer, stored(subject), order_digest(subject))
            return await self._fetch(sql.EVENTS_OF_ORDER, *key, after, limit)
        if taxpayer is not None:
            return await self._fetch(sql.EVENTS_OF_TAXPAYER, taxpayer, after, limit)
        if subject is not None:
            return await self._fetch(sql.EVENTS_OF_SUBJECT, stored(subject), order_digest(subject), after, limit)
        return await self._fetch(sql.EVENTS, after, limit)


async def settled_events(read: Callable[[], Awaitable[list[Any]]]) -> list[Event]:
    """Up to the first event that a transaction still under way may yet come before: who pages on misses nothing.
    Waits up to half a second for such transactions."""
    found: list[Any] = []
    for _ in range(_GLANCES):
        found = await read()
        if all(settled for *_, settled in found):
            break
        await asyncio.sleep(_PAUSE)
    events = []
    for *row, settled in found:
        if not settled:
            break
        events.append(_event(tuple(row)))
    return events


def _event(row: tuple[Any, ...]) -> Event:
    event = event_of(row)
    return event if event.subject is None else replace(event, subject=original(event.subject))
