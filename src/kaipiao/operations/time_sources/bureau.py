"""The bureau's own time, from the Date of its answers. A Date has whole seconds; many answers together say more.

Each answer says: when the bureau wrote it, its clock was within [Date, Date + 1 s), and that was between our last byte out
and its first byte in. All of the last minutes must hold at once. One answer is no evidence: a machine before the bureau may be
wrong by itself. When several in a row contradict those before, one of the two clocks was set, and only they count.
"""

from __future__ import annotations

from collections import deque

from kaipiao.authority.channel import FarTime
from kaipiao.issuing.clock_gate import Reading

KEPT = 50  # answers
ENOUGH = 3  # answers that agree, before they say anything
GOOD_FOR = 600.0  # seconds
_Answers = deque[tuple[float, float, float]]  # (received, low, high)


class BureauTime:
    """Of one channel."""

    def __init__(self, channel: str) -> None:
        self.name = f"bureau:{channel}"
        self._seen: _Answers = deque(maxlen=KEPT)
        self._odd: _Answers = deque(maxlen=ENOUGH)  # the last ones in a row, when they contradict `_seen`

    def note(self, told: FarTime) -> None:
        answer = (told.received, told.sent - (told.date + 1.0), told.received - told.date)
        if _fits(answer, self._seen):
            self._odd.clear()
            self._seen.append(answer)
            return
        if not _fits(answer, self._odd):
            self._odd.clear()
        self._odd.append(answer)
        if len(self._odd) >= ENOUGH or len(self._seen) < ENOUGH:
            self._seen.clear()
            self._seen.extend(self._odd)
            self._odd.clear()

    def read(self, now: float) -> Reading | None:
        """`now`: seconds since 1970 by our clock. None when too little was heard lately."""
        while self._seen and not 0 <= now - self._seen[0][0] <= GOOD_FOR:
            self._seen.popleft()
        return Reading(self.name, *_bounds(self._seen)) if len(self._seen) >= ENOUGH else None


def _fits(answer: tuple[float, float, float], others: _Answers) -> bool:
    if not others:
        return True
    low, high = _bounds(others)
    return answer[1] <= high and answer[2] >= low


def _bounds(answers: _Answers) -> tuple[float, float]:
    return max(low for _, low, _ in answers), min(high for _, _, high in answers)
