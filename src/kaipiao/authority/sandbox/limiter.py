"""How many calls a taxpayer may make in a second of the sandbox's clock: a bucket of one second's calls."""

from __future__ import annotations

_MOST_BUCKETS = 10_000


class Limiter:
    def __init__(self, rate: float) -> None:
        """rate: calls per second, 0 = no limit."""
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}  # (calls left, seconds when counted)

    def allows(self, payer: str, now: float) -> bool:
        """Count one call at `now` (seconds of the sandbox's clock). A clock that was set back refills nothing."""
        if self._rate == 0:
            return True
        most = max(1.0, self._rate)
        left, since = self._buckets.pop(payer, (most, now))
        left = min(most, left + max(0.0, now - since) * self._rate)
        allowed = left >= 1
        self._buckets[payer] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        return allowed
