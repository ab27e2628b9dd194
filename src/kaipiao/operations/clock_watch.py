"""Asks the sources of time again and again and tells the gate of issuing what they say together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from kaipiao.authority.channel import FarTime
from kaipiao.clock import SystemClock
from kaipiao.issuing import trail
from kaipiao.issuing.clock_gate import ClockGate, ClockStanding, Reading, agree
from kaipiao.ledger.port import EventDraft
from kaipiao.operations.time_sources import kernel
from kaipiao.operations.time_sources.bureau import BureauTime

log = logging.getLogger(__name__)


class Asked(Protocol):
    """A source that has to be asked."""

    name: str

    async def read(self) -> Reading | None: ...


class ClockWatch:
    """Of one node. `append`: into the trail; `rest`: real seconds between two rounds."""

    def __init__(
        self,
        gate: ClockGate,
        servers: Sequence[Asked],
        append: Callable[[Sequence[EventDraft]], Awaitable[None]],
        node: str,
        rest: float,
        *,
        own: Callable[[], Reading | None] = kernel.read,
    ) -> None:
        self.gate = gate
        self._servers = servers
        self._append = append
        self._node = node
        self._rest = rest
        self._own = own
        self._bureaus: dict[str, BureauTime] = {}
        self._told = False  # that it is skewed
        self.readings: tuple[Reading, ...] = ()

    def heard(self, channel: str, told: FarTime | None) -> None:
        """A call of the channel brought the bureau's Date along."""
        if told is not None:
            self._bureaus.setdefault(channel, BureauTime(channel)).note(told)

    async def round(self) -> float:
        """Ask all of them once."""
        asked = await asyncio.gather(*(server.read() for server in self._servers))
        bureaus = [bureau.read(time.time()) for bureau in self._bureaus.values()]
        self.readings = tuple(r for r in (self._own(), *bureaus, *asked) if r is not None)
        self.gate.standing = agree(self.readings)
        await self._tell(self.gate.standing)
        return self._rest

    async def _tell(self, standing: ClockStanding) -> None:
        """Once when it becomes skewed, once when it is sound again."""
        warns = self.gate.warns
        if warns == self._told:
            return
        milliseconds = round((standing.skew or 0.0) * 1000)
        sources = ",".join(standing.agreeing)[:200]
        log.log(
            logging.ERROR if warns else logging.INFO,
            "the clock is off" if warns else "the clock is right again",
            extra={"skew_ms": milliseconds, "sources": sources},
        )
        now = SystemClock().now()
        kind = "clock.skewed" if warns else "clock.sound"
        events = [trail.platform(kind, now, skew_ms=milliseconds, node=self._node)]
        if warns:
            events.append(trail.platform("alarm.clock", now, skew_ms=milliseconds, sources=sources, node=self._node))
        await self._append(events)
        self._told = warns


def unwatched() -> ClockWatch:
    """A clock that nobody judges."""
    return ClockWatch(ClockGate(), [], trail.kept_nowhere, "", 3600.0, own=lambda: None)
