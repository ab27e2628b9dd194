"""How long to go on, and how long to wait in between."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from kaipiao_client.errors import ClientError, Unavailable

FIRST_PAUSE = 0.05  # seconds
LONGEST_PAUSE = 5.0


@dataclass(slots=True)
class Attempts:
    """The attempts of one call, until `deadline` seconds after the first."""

    deadline: float
    _began: float = field(default_factory=time.monotonic)
    _pause: float = FIRST_PAUSE

    def pause_after(self, error: ClientError, retry_after: float | None = None) -> float:
        """Seconds to wait before the next attempt. Raises the error when that would be too late."""
        chance = random.uniform(0.5, 1.0)  # noqa: S311 — callers who failed together shall not come back together
        if retry_after is None and isinstance(error, Unavailable):
            retry_after = error.retry_after
        pause = retry_after if retry_after is not None else self._pause * chance
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        if time.monotonic() + pause - self._began > self.deadline:
            raise error
        return pause

    def went_on(self) -> None:
        """Something was achieved: patience begins anew."""
        self._began = time.monotonic()
        self._pause = FIRST_PAUSE
