"""Time is passed in, never fetched. Stored in UTC, shown in Asia/Shanghai (+08:00, fixed since 1991: no zone database).

A `Clock` serves both the time and the waiting, so that a test, a simulation and a TEST environment that follows the
sandbox's clock can move both together. Time-outs on the wire are real time and never go by a `Clock`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class ClockFunction:
    """A clock as a function of the machine's: it showed `shown` when the machine showed `anchor` and runs `speed` times as fast.

    anchor: seconds since 1970 of the machine's clock. shown: seconds since 1970 of this clock. speed: > 0.
    Two processes that hold the same function agree without speaking to each other.
    """

    anchor: float
    shown: float
    speed: float = 1.0

    def at(self, machine_seconds: float) -> datetime:
        return datetime.fromtimestamp(self.shown + (machine_seconds - self.anchor) * self.speed, UTC)


# Real seconds. Who looks around every second of a clock that runs 1,000 times as fast would do nothing else.
SHORTEST_SLEEP = 0.02


class FunctionClock:
    """A clock that follows a `ClockFunction`, which may be replaced while it runs (TEST environments only)."""

    def __init__(self, function: ClockFunction) -> None:
        self.function = function

    def now(self) -> datetime:
        return self.function.at(time.time())

    async def sleep(self, seconds: float) -> None:
        """Wait for an instant of this clock, in steps of 20 to 50 ms of real time; a function replaced meanwhile is noticed
        with the next."""
        end = self.now() + timedelta(seconds=seconds)
        while (left := (end - self.now()).total_seconds()) > 0:
            await asyncio.sleep(max(SHORTEST_SLEEP, min(0.05, left / self.function.speed)))


class ManualClock:
    """A clock that stands still until it is moved (tests)."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.advance(max(0.0, seconds))
        await asyncio.sleep(0)


def month_of(instant: datetime) -> str:
    """The month `yyyy-MM` in Asia/Shanghai: it selects quota, partition and summary."""
    return instant.astimezone(SHANGHAI).isoformat()[:7]


def year_of(instant: datetime) -> int:
    """The year in Asia/Shanghai: the first two digits of a number made at this instant."""
    return instant.astimezone(SHANGHAI).year


def month_close(instant: datetime) -> datetime:
    """When the bureau closes the month of `instant`: the 13th of the next month, 00:00 Asia/Shanghai."""
    local = instant.astimezone(SHANGHAI)
    year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
    return datetime(year, month, 13, tzinfo=SHANGHAI).astimezone(UTC)


def month_end(instant: datetime) -> datetime:
    """The first instant of the next month in Asia/Shanghai."""
    local = instant.astimezone(SHANGHAI)
    year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
    return datetime(year, month, 1, tzinfo=SHANGHAI).astimezone(UTC)


def year_end(instant: datetime) -> datetime:
    """The first instant of the next year in Asia/Shanghai: numbers are never used across it."""
    return datetime(year_of(instant) + 1, 1, 1, tzinfo=SHANGHAI).astimezone(UTC)


def seconds_up(seconds: float) -> int:
    """Whole seconds, at least 1: what Retry-After can say."""
    return max(1, -int(-seconds // 1))
