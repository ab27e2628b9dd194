"""How attempts to sign in are counted: pure, the same for every adapter.

An attempt takes its place before it is judged, so any number of them at once cannot be judged more often than the limit
allows. A place is a mark with its instant; it becomes a failure, or is given back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from kaipiao.ledger.accounts import LoginLimit, LoginWait
from kaipiao.ledger.trail import microseconds

SECOND = 1_000_000  # microseconds
BUSY_SECONDS = 1.0  # until one that is being judged may have its end


@dataclass(frozen=True, slots=True)
class LoginCount:
    """What is counted for one key. `marks`: mark → (when, did it fail); instants in microseconds since 1970."""

    marks: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    locked_until: int = 0

    def text(self) -> str:
        return json.dumps({mark: [at, int(failed)] for mark, (at, failed) in self.marks.items()})

    def stale_at(self, limit: LoginLimit) -> int:
        """From then on nothing of it counts."""
        last = max((at for at, _ in self.marks.values()), default=0)
        return max(self.locked_until, last + int(limit.seconds * SECOND))


def count_of(text: str, locked_until: int) -> LoginCount:
    marks = {mark: (int(at), bool(failed)) for mark, (at, failed) in json.loads(text).items()}
    return LoginCount(marks, locked_until)


def wait_for(count: LoginCount, mark: str, limit: LoginLimit, now: datetime) -> LoginWait | None:
    """Why this mark may not take a place now."""
    instant = microseconds(now)
    if count.locked_until > instant:
        return LoginWait((count.locked_until - instant) / SECOND, locked=True)
    others = _fresh(count, limit, instant).keys() - {mark}
    return LoginWait(BUSY_SECONDS, locked=False) if len(others) >= limit.failures else None


def begun(count: LoginCount, mark: str, limit: LoginLimit, now: datetime) -> LoginCount:
    """With a place for the mark. One that has failed before stays a failure."""
    instant = microseconds(now)
    marks = _fresh(count, limit, instant)
    _, failed = marks.get(mark, (0, False))
    return LoginCount({**marks, mark: (instant, failed)}, 0)


def failed(count: LoginCount, mark: str, limit: LoginLimit, now: datetime) -> LoginCount:
    """With the mark as a failure, and locked when that makes too many."""
    instant = microseconds(now)
    marks = {**_fresh(count, limit, instant), mark: (instant, True)}
    failures = sum(failure for _, failure in marks.values())
    until = instant + int(limit.seconds * SECOND) if failures >= limit.failures else count.locked_until
    return LoginCount(marks, until)


def passed(count: LoginCount, mark: str) -> LoginCount:
    """Without the mark."""
    return replace(count, marks={one: seen for one, seen in count.marks.items() if one != mark})


def _fresh(count: LoginCount, limit: LoginLimit, now: int) -> dict[str, tuple[int, bool]]:
    oldest = now - int(limit.seconds * SECOND)
    return {mark: (at, failure) for mark, (at, failure) in count.marks.items() if at > oldest}
