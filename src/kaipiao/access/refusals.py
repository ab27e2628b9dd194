"""Tokens that were refused, by the address they came from. A token is no password: nobody is locked out, and a sound token
is never kept waiting. But after a few failures the answer to the next bad one is held back for a moment, so that guessing
and badly set up clients cost time on their side and next to nothing on ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

FREE = 3  # failures of one source within the window that are answered at once
WINDOW = 300.0  # seconds
HOLD_SECONDS = 0.25
MOST_HELD = 256  # answers at a time; further ones go out at once rather than pile up
REMEMBERED = 4096  # sources; the one seen first is forgotten first


class Refusals:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures: dict[str, tuple[int, float]] = {}  # source: (count, since)
        self._held = 0

    def seconds_to_hold(self, source: str) -> float:
        """Count a failure of this source: how long its answer is to be held back."""
        now = self._now()
        count, since = self._failures.pop(source, (0, now))
        if now >= since + WINDOW:
            count, since = 0, now
        if len(self._failures) >= REMEMBERED:
            del self._failures[next(iter(self._failures))]
        self._failures[source] = (count + 1, since)
        return HOLD_SECONDS if count >= FREE and self._held < MOST_HELD else 0.0

    async def hold(self, source: str) -> None:
        """Count a failure and hold its answer back, when it is to be."""
        seconds = self.seconds_to_hold(source)
        if seconds > 0.0:
            self._held += 1
            try:
                await asyncio.sleep(seconds)
            finally:
                self._held -= 1
