"""Pacing by the far side's limits: a token bucket per taxpayer, and a pause that the bureau asked for. Pure but for the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from kaipiao.clock import Clock


class Pace:
    """Calls per second of the platform's clock, per taxpayer, without a burst."""

    def __init__(self, clock: Clock, calls_per_second: float) -> None:
        self._clock = clock
        self._gap = timedelta(seconds=1.0 / calls_per_second)
        self._free: dict[str, datetime] = {}

    async def turn(self, taxpayer: str) -> None:
        """Wait until one more call is allowed, and take it."""
        now = self._clock.now()
        mine = max(now, self._free.get(taxpayer, now))
        self._free[taxpayer] = mine + self._gap
        if mine > now:
            await self._clock.sleep((mine - now).total_seconds())

    def hold(self, taxpayer: str, seconds: float) -> None:
        """The bureau said: not before so many seconds from now."""
        until = self._clock.now() + timedelta(seconds=seconds)
        self._free[taxpayer] = max(until, self._free.get(taxpayer, until))
