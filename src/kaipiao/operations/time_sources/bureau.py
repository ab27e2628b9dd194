"""The bureau's own time, from the Date of its answers. A Date has whole seconds; many answers together say more.

Each answer says: when the bureau wrote it, its clock was within [Date, Date + 1 s), and that was between our last byte out
and its first byte in. All of the last minutes must hold at once; when they contradict each other, one of the two clocks was
set, and only the newest counts.
"""

from __future__ import annotations

from collections import deque

from kaipiao.authority.channel import FarTime
from kaipiao.issuing.clock_gate import Reading

KEPT = 50  # answers
GOOD_FOR = 600.0  # seconds


class BureauTime:
    """Of one channel."""

    def __init__(self, channel: str) -> None:
        self.name = f"bureau:{channel}"
        self._seen: deque[tuple[float, float, float]] = deque(maxlen=KEPT)  # (received, low, high)

    def note(self, told: FarTime) -> None:
        low, high = told.sent - (told.date + 1.0), told.received - told.date
        if self._seen:
            known_low, known_high = self._bounds()
            if low > known_high or high < known_low:
                self._seen.clear()
        self._seen.append((told.received, low, high))

    def read(self, now: float) -> Reading | None:
        """`now`: seconds since 1970 by our clock. None when nothing was heard lately."""
        while self._seen and not 0 <= now - self._seen[0][0] <= GOOD_FOR:
            self._seen.popleft()
        return Reading(self.name, *self._bounds()) if self._seen else None

    def _bounds(self) -> tuple[float, float]:
        return max(low for _, low, _ in self._seen), min(high for _, _, high in self._seen)
