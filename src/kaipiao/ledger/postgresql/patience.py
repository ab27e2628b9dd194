"""How long to wait for a new connection: what connecting has taken lately, and a fifth more (P22, P23)."""

from __future__ import annotations

from collections import deque

FLOOR = 1.0  # seconds; below it a pause of the machine would look like a fault of the server
_REMEMBERED = 20


class ConnectPatience:
    """`limit` seconds at first; then `factor` times the slowest of the last connects, between the floor and `limit`.
    After a time-out it grows by the same factor, so that it follows a load that rises."""

    def __init__(self, limit: float, factor: float) -> None:
        self._limit = limit
        self._factor = factor
        self._taken: deque[float] = deque(maxlen=_REMEMBERED)
        self._raised = 0.0

    @property
    def seconds(self) -> float:
        if not self._taken:
            return self._limit
        return min(self._limit, max(FLOOR, self._factor * max(self._taken), self._raised))

    def took(self, seconds: float) -> None:
        """A connection was made."""
        self._taken.append(seconds)
        self._raised = 0.0

    def ran_out(self) -> None:
        """No connection within the present limit."""
        self._raised = self.seconds * self._factor
