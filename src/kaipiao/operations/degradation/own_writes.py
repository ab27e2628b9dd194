"""Who has written when: a caller must find its own writes, wherever it reads."""

from __future__ import annotations

import time
from collections.abc import Callable

FORGOTTEN = 60.0  # seconds; longer than any copy that is read may be behind


class OwnWrites:
    """Of the callers of one node. Holds those of the last minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last: dict[str, float] = {}  # the longest ago first

    def note(self, subject: str) -> None:
        now = self._now()
        self._last.pop(subject, None)
        self._last[subject] = now
        while now - next(iter(self._last.values())) > FORGOTTEN:
            del self._last[next(iter(self._last))]

    def since(self, subject: str, at: float) -> bool:
        """Whether the subject has written at that instant or after it."""
        last = self._last.get(subject)
        return last is not None and last >= at
