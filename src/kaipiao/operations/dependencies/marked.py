"""An answer that says how old it is, and a memory of the last good ones. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from kaipiao.clock import Clock

T = TypeVar("T")
REMEMBERED = 10_000  # answers


@dataclass(frozen=True, slots=True)
class Marked(Generic[T]):
    """`at`: when the dependency said it. `stale`: it was not asked anew with success; `cause`: why, a stable code."""

    value: T
    at: datetime
    stale: bool = False
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer. `cause`: a stable code such as `connect.refused`, `http.503`, `answer.malformed`."""

    cause: str


class LastGood(Generic[T]):
    """Asks, and where that fails gives the last good answer about the same thing, for `good_for` at the longest."""

    def __init__(self, clock: Clock, good_for: timedelta) -> None:
        self._clock = clock
        self._good_for = good_for
        self._known: dict[str, Marked[T]] = {}

    async def ask(self, key: str, fetch: Callable[[], Awaitable[T | Failed]]) -> Marked[T] | Failed:
        """The new answer, else the last good one marked stale, else why there is none."""
        answer = await fetch()
        now = self._clock.now()
        if not isinstance(answer, Failed):
            return self._remember(key, Marked(answer, now))
        known = self._known.get(key)
        if known is None or now - known.at >= self._good_for:
            return answer
        return Marked(known.value, known.at, stale=True, cause=answer.cause)

    def _remember(self, key: str, answer: Marked[T]) -> Marked[T]:
        if self._good_for > timedelta(0):
            self._known.pop(key, None)
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[key] = answer
        return answer
