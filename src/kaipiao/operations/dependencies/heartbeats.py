"""Listens for the heartbeat of each dependency and tells when one stays out, and when it is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kaipiao.clock import Clock, SystemClock
from kaipiao.issuing import trail
from kaipiao.ledger.port import EventDraft
from kaipiao.operations.dependencies.marked import Failed

log = logging.getLogger(__name__)
Beat = Callable[[], Awaitable[Failed | None]]


@dataclass(frozen=True, slots=True)
class Heart:
    """`beat` asks it once. `gap`: seconds without an answer from which on it is told."""

    name: str
    kind: str  # payment, registry, timestamp
    beat: Beat
    gap: float


@dataclass(frozen=True, slots=True)
class HeartState:
    """`last`: of the last good answer, None when there was none since the start. `silent`: seconds without one. `missing`:
    it has been told. `cause`: of the last failure."""

    name: str
    kind: str
    last: datetime | None
    silent: float
    missing: bool
    cause: str | None


class Heartbeats:
    """Of one node: every node leans on them by a way of its own. `append`: into the trail."""

    def __init__(
        self,
        hearts: Sequence[Heart],
        clock: Clock,
        append: Callable[[Sequence[EventDraft]], Awaitable[None]],
        node: str,
        rest: float,
    ) -> None:
        self._hearts = hearts
        self._clock = clock
        self._append = append
        self._node = node
        self._rest = rest
        self._began = clock.now()
        self._last: dict[str, datetime] = {}
        self._causes: dict[str, str] = {}
        self._missing: dict[str, datetime] = {}  # since when there was no good answer

    def states(self) -> list[HeartState]:
        return [self._state(heart) for heart in self._hearts]

    async def round(self) -> float:
        """Ask each once, all at the same time: one that hangs keeps no other waiting for longer than its own time-outs."""
        answers = await asyncio.gather(*(heart.beat() for heart in self._hearts))
        now = self._clock.now()
        for heart, failed in zip(self._hearts, answers, strict=True):
            if failed is None:
                await self._beats(heart, now)
            else:
                await self._is_out(heart, failed, now)
        return self._rest

    async def _beats(self, heart: Heart, now: datetime) -> None:
        self._last[heart.name] = now
        self._causes.pop(heart.name, None)
        since = self._missing.get(heart.name)
        if since is not None:
            seconds = round((now - since).total_seconds())
            log.info("a dependency is back", extra={"dependency": heart.name, "seconds": seconds})
            await self._append([self._event("heartbeat.back", heart, now, seconds)])
            del self._missing[heart.name]

    async def _is_out(self, heart: Heart, failed: Failed, now: datetime) -> None:
        self._causes[heart.name] = failed.cause
        since = self._last.get(heart.name, self._began)
        seconds = (now - since).total_seconds()
        if seconds >= heart.gap and heart.name not in self._missing:
            log.error("a dependency stays out", extra={"dependency": heart.name, "cause": failed.cause})
            await self._append([self._event("alarm.heartbeat", heart, now, round(seconds), cause=failed.cause)])
            self._missing[heart.name] = since

    def _event(self, kind: str, heart: Heart, now: datetime, seconds: int, **more: str) -> EventDraft:
        return trail.platform(
            kind, now, dependency=heart.name, dependency_kind=heart.kind, seconds=seconds, node=self._node, **more
        )

    def _state(self, heart: Heart) -> HeartState:
        last = self._last.get(heart.name)
        silent = max(0.0, (self._clock.now() - (last or self._began)).total_seconds())
        return HeartState(
            heart.name, heart.kind, last, silent, heart.name in self._missing, self._causes.get(heart.name)
        )


def no_hearts() -> Heartbeats:
    """Of an installation that leans on nobody."""
    return Heartbeats([], SystemClock(), trail.kept_nowhere, "", 3600.0)
