"""What an attempt came to, how long to go on, and how long to wait in between."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TypeVar

from kaipiao_client.answers import Invoice
from kaipiao_client.calls import Answer, Call
from kaipiao_client.errors import ClientError, NoAnswer, StillWaiting, Unavailable, stated_in

T = TypeVar("T")
AGAIN = (Unavailable, NoAnswer)  # what another attempt may mend

FIRST_PAUSE = 0.05  # seconds
LONGEST_PAUSE = 5.0


@dataclass(slots=True)
class Attempts:
    """The attempts of one call, until `deadline` seconds after the first."""

    deadline: float
    _began: float = field(default_factory=time.monotonic)
    _pause: float = field(default_factory=lambda: FIRST_PAUSE)

    def pause_after(self, error: ClientError) -> float:
        """Seconds to wait before the next attempt. Raises the error when that would be too late."""
        chance = random.uniform(0.5, 1.0)  # noqa: S311 — callers who failed together shall not come back together
        retry_after = error.retry_after if isinstance(error, Unavailable) else None
        pause = retry_after if retry_after is not None else self._pause * chance
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        if time.monotonic() + pause - self._began > self.deadline:
            raise error
        return pause

    def went_on(self) -> None:
        """Something was achieved: patience begins anew."""
        self._began = time.monotonic()
        self._pause = FIRST_PAUSE


def read(call: Call[T], answer: Answer) -> T:
    """What was asked for. Raises one of `AGAIN`, or the `Problem` that the platform stated."""
    if answer.status >= 400:
        raise stated_in(answer.status, answer.content, answer.retry_after(), whole=answer.whole)
    try:
        return call.read(answer)
    except (ValueError, KeyError, TypeError) as strange:
        raise NoAnswer("what came back is no answer of the platform") from strange


# Where an order does not go on by itself.
ENDED = frozenset({"confirmed", "rejected", "expired", "conflict", "cancelled", "replaced"})
FIRST_LOOK, SELDOM = 0.1, 2.0  # seconds


@dataclass(slots=True)
class Looks:
    """Looking at an order until it has its number (`until` "issued") or the bureau's word ("confirmed")."""

    order: str
    until: str
    patience: float
    _began: float = field(default_factory=time.monotonic)
    _pause: float = FIRST_LOOK

    def __post_init__(self) -> None:
        if self.until not in ("issued", "confirmed"):
            raise ValueError("until: issued or confirmed")

    def enough(self, found: Invoice | None) -> bool:
        if found is None:
            return False
        return found.state in ENDED or (self.until == "issued" and found.number is not None)

    def pause(self, found: Invoice | None) -> float:
        """Seconds until the next look. Raises `StillWaiting` when patience is over."""
        if time.monotonic() + self._pause - self._began > self.patience:
            raise StillWaiting(self.order, found.state if found else None)
        pause, self._pause = self._pause, min(SELDOM, self._pause * 1.5)
        return pause
