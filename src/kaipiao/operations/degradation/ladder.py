"""When to step down and when up again. Pure: what was observed goes in, a level comes out.

The brief: below 70 % of the design rate L1 within 5 minutes, L2 within 30 minutes, L3 within 2 hours. Only while work waits: a
platform that has nothing to do is not slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    NORMAL = 0
    L1 = 1
    L2 = 2
    L3 = 3


@dataclass(frozen=True, slots=True)
class LadderRules:
    """`design`: orders a second that this installation was built for. `trigger`: P39. `release`: share of it from which on it is
    well again; above `trigger`, so that it does not swing. `after`: seconds below the trigger until L1, L2, L3 (P40 gives the
    latest: 300, 1800, 7200). `calm`: seconds well until one step up."""

    design: float = 100.0
    trigger: float = 0.7
    release: float = 0.85
    after: tuple[float, float, float] = (60.0, 900.0, 3600.0)
    calm: float = 300.0


class Ladder:
    """Instants are seconds that only go on."""

    def __init__(self, rules: LadderRules, began: float) -> None:
        self.rules = rules
        self.level = Level.NORMAL
        self._below_since: float | None = None
        self._well_since: float | None = began

    def look(self, now: float, per_second: float, work_waits: bool) -> Level:
        """`per_second`: orders done lately; `work_waits`: somebody waited for all of that time."""
        share = per_second / self.rules.design
        if work_waits and share < self.rules.trigger:
            self._well_since = None
            if self._below_since is None:
                self._below_since = now
            self._step_down(now - self._below_since)
        elif not work_waits or share >= self.rules.release:
            self._below_since = None
            if self._well_since is None:
                self._well_since = now
            self._step_up(now)
        else:  # between the two: neither worse nor well
            self._well_since = None
        return self.level

    def _step_down(self, seconds: float) -> None:
        reached = sum(seconds >= after for after in self.rules.after)
        self.level = max(self.level, Level(reached))

    def _step_up(self, now: float) -> None:
        assert self._well_since is not None
        if self.level > Level.NORMAL and now - self._well_since >= self.rules.calm:
            self.level = Level(self.level - 1)
            self._well_since = now
