"""Two clocks, as in a real plant: the machine's seconds (the loop's), and the platform's clock, which runs at a speed of its
own and, on a node, may be wrong."""

from __future__ import annotations

import asyncio
import heapq
import random
from datetime import datetime, timedelta

from kaipiao_lab.simulation.loop import VirtualLoop
from kaipiao_lab.simulation.processes import WORLD


class WorldTime:
    """The true time of the platform's kind. `speed`: its seconds in one of the machine's; may be changed at any time."""

    def __init__(self, loop: VirtualLoop, start: datetime) -> None:
        self._loop = loop
        self._anchor, self._shown = 0.0, 0.0
        self._start = start
        self.speed = 1.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = float("inf")

    def seconds(self) -> float:
        """Since the start."""
        return self._shown + (self._loop.time() - self._anchor) * self.speed

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds())

    def run_at(self, speed: float) -> None:
        self._shown, self._anchor = self.seconds(), self._loop.time()
        self.speed = speed
        self._arm(anew=True)

    def until(self, instant: datetime) -> float:
        """Seconds of this clock until then, at least 0."""
        return max(0.0, (instant - self.now()).total_seconds())

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.seconds() + seconds, self._count, waiting))
        self._arm()
        await waiting

    def _arm(self, *, anew: bool = False) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return
        at = self._anchor + (self._sleepers[0][0] - self._shown) / self.speed
        if anew or self._alarm is None or at < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at = at
            self._alarm = self._loop.call_at(max(at, self._loop.time()), self._ring, context=WORLD)

    def _ring(self) -> None:
        self._alarm, self._alarm_at = None, float("inf")
        now = self.seconds() + 1e-6
        while self._sleepers and self._sleepers[0][0] <= now:
            waiting = heapq.heappop(self._sleepers)[2]
            if not waiting.done():
                waiting.set_result(None)
        self._arm()


class NodeClock:
    """`Clock` of one machine: `skew` seconds ahead of the true time."""

    def __init__(self, time: WorldTime) -> None:
        self._time = time
        self.skew = 0.0

    def now(self) -> datetime:
        return self._time.now() + timedelta(seconds=self.skew)

    async def sleep(self, seconds: float) -> None:
        await self._time.sleep(seconds)


class LoopClock:
    """For the pauses of a node's loops: never shorter than some tenths of a machine's second, as on a busy machine. Without
    this, days of the platform's clock would be millions of rounds."""

    def __init__(self, clock: NodeClock, chance: random.Random, time: WorldTime, grain: tuple[float, float]) -> None:
        self._clock = clock
        self._chance = chance
        self._time = time
        self._grain = grain

    def now(self) -> datetime:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        began = self._time.seconds()
        await asyncio.sleep(self._chance.uniform(*self._grain))
        left = seconds - (self._time.seconds() - began)
        if left > 0:
            await self._time.sleep(left)
