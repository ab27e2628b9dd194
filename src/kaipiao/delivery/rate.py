"""How often one may send: a token comes back so many seconds after it was taken, so no span of that length sees more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence


class Rate:
    """`limits`: (how many, in how many seconds), all of which hold. `clock`: seconds of real time."""

    def __init__(self, limits: Sequence[tuple[int, float]], clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = tuple(limits)
        self._clock = clock
        self._taken: deque[float] = deque(maxlen=max(many for many, _ in limits))
        self._blocked_until = 0.0

    def take(self) -> float:
        """0, and one is taken; else the seconds until there is one."""
        now = self._clock()
        wait = max(self._blocked_until - now, *(self._wait(now, many, seconds) for many, seconds in self._limits))
        if wait > 0:
            return wait
        self._taken.append(now)
        return 0.0

    def block(self, seconds: float) -> None:
        """Nothing for so long: the far side says it is too much."""
        self._blocked_until = max(self._blocked_until, self._clock() + seconds)

    def _wait(self, now: float, many: int, seconds: float) -> float:
        return self._taken[-many] + seconds - now if len(self._taken) >= many else 0.0
