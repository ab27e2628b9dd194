"""The trail of events as it grows, read once for all who listen.

What was read last is kept in a ring; a listener whose place lies before it reads the ledger until it has caught up. So no
listener has a queue, and a slow one costs nothing but its own reading.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncGenerator, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kaipiao.errors import KaipiaoError, TooManyRequests
from kaipiao.language import Text
from kaipiao.ledger.port import Event, Ledger

log = logging.getLogger(__name__)
MOST_LISTENERS = 64
ONE_PARTYS = 16  # of these, for one tenant or set of taxpayers: nobody takes the places of all others
KEPT = 2000  # events in the ring
PAGE = 500
LOOK_SECONDS = 0.25  # real time between looks at the ledger
FAILED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: of these taxpayers, and the platform's own when `platform`; of one order when `order` is given."""

    taxpayers: tuple[str, ...]
    platform: bool = True
    order: str | None = None

    def holds(self, event: Event) -> bool:
        mine = event.taxpayer in self.taxpayers if event.taxpayer is not None else self.platform
        return mine and self.order in (None, event.subject)


class Feed:
    """One per application. It asks the ledger only while somebody listens, until `end`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._ring: deque[Event] = deque()
        self._base = 0  # every event after this position up to `_head` is in the ring
        self._head = 0
        self._listeners = 0
        self._of_party: Counter[Hashable] = Counter()
        self._looking: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.ending = False

    def end(self) -> None:
        """No more news: who listens is let go."""
        self.ending = True
        self._tell()

    @contextmanager
    def place(self, party: Hashable) -> Iterator[None]:
        """A listener's place. `party`: whose share it takes; None: the installation's own. Raises `TooManyRequests` when all
        are taken, or all of the party's."""
        own, most = self._of_party[party], MOST_LISTENERS if party is None else min(ONE_PARTYS, MOST_LISTENERS)
        if own >= most or self._listeners >= MOST_LISTENERS:
            taken = most if own >= most else MOST_LISTENERS
            text = Text(f"已有 {taken} 个监听者", f"There are {taken} listeners already")
            raise TooManyRequests(text, code="KP-HTTP-05", retry_after=10)
        self._listeners += 1
        self._of_party[party] += 1
        try:
            yield
        finally:
            self._listeners -= 1
            self._of_party[party] -= 1
            self._of_party += Counter()  # drops who has none left
            if self._listeners == 0 and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def begin(self, after: int | None) -> int:
        """Where a listener starts: after the position; None: from now on."""
        if self._looking is None:
            self._begin(await self._ledger.last_position())
        return self._head if after is None else after

    async def listen(self, wanted: Wanted, place: int, quiet: float) -> AsyncGenerator[list[Event], None]:
        """Events after the place, in order; an empty list after `quiet` seconds without any."""
        while not self.ending:
            news = self._news
            page, place = await self._following(wanted, place)
            if page:
                yield page
            elif place >= self._head and not await _within(quiet, news):
                yield []

    async def _following(self, wanted: Wanted, place: int) -> tuple[list[Event], int]:
        """(what is wanted of the next events, the place after them)."""
        if place >= self._base:
            found = [event for event in self._ring if event.position > place]
            return [event for event in found if wanted.holds(event)], max(place, self._head)
        head = self._head
        page = await self._page(wanted, place)
        reached = page[-1].position if len(page) == PAGE else max(head, page[-1].position if page else 0)
        return [event for event in page if wanted.holds(event)], max(place, reached)

    async def _page(self, wanted: Wanted, after: int) -> list[Event]:
        one = wanted.taxpayers[0] if len(wanted.taxpayers) == 1 and not wanted.platform else None
        return await self._ledger.events(taxpayer=one, subject=wanted.order, after=after, limit=PAGE)

    def _begin(self, position: int) -> None:
        if self._looking is None:  # another may have begun while the position was read
            self._ring.clear()
            self._base = self._head = position
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while not self.ending:
            try:
                page = await self._ledger.events(after=self._head, limit=PAGE)
            except KaipiaoError as error:
                log.warning("events not read", extra={"code": error.code})
                await asyncio.sleep(FAILED_SECONDS)
                continue
            self._keep(page)
            if len(page) < PAGE:
                await asyncio.sleep(LOOK_SECONDS)

    def _keep(self, page: list[Event]) -> None:
        if page:
            self._ring.extend(page)
            self._head = page[-1].position
            while len(self._ring) > KEPT:
                self._base = self._ring.popleft().position
            self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
