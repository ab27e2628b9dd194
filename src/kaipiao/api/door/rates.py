"""How often one subject, of one reach, may ask: a bucket of tokens each, full at first, filled at a steady rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from kaipiao.clock import seconds_up
from kaipiao.errors import TooManyRequests

REMEMBERED = 4096  # subjects; those whose bucket is full again are forgotten first


class Rates:
    """`per_second`: requests per second and subject, on the average; a second's worth at once."""

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self._room = max(1.0, per_second)
        self._now = now
        self._buckets: dict[Hashable, tuple[float, float]] = {}  # subject: (tokens, when)

    def take(self, subject: Hashable) -> float:
        """Take a token. 0.0, or the seconds after which there will be one; then nothing was taken."""
        now = self._now()
        tokens, since = self._buckets.get(subject, (self._room, now))
        tokens = min(self._room, tokens + (now - since) * self.per_second)
        if tokens < 1.0:
            self._buckets[subject] = (tokens, now)
            return (1.0 - tokens) / self.per_second
        if subject not in self._buckets and len(self._buckets) >= REMEMBERED:
            self._forget(now)
        self._buckets[subject] = (tokens - 1.0, now)
        return 0.0

    def admit(self, subject: Hashable) -> None:
        """Take a token, or raise `TooManyRequests`."""
        seconds = self.take(subject)
        if seconds > 0.0:
            raise TooManyRequests(retry_after=seconds_up(seconds), requests_per_second=self.per_second)

    def _forget(self, now: float) -> None:
        full = [
            s for s, (tokens, since) in self._buckets.items() if tokens + (now - since) * self.per_second >= self._room
        ]
        for subject in full or [next(iter(self._buckets))]:
            del self._buckets[subject]
