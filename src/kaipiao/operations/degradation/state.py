"""At which level this node runs, and what is different there. Read by whoever does less at it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kaipiao.clock import SystemClock
from kaipiao.issuing import trail
from kaipiao.ledger.port import EventDraft
from kaipiao.operations.degradation.ladder import Ladder, LadderRules, Level
from kaipiao.operations.degradation.measures import Measure, measures_at

WINDOW = 10.0  # seconds that a rate is taken over
_LOOK = 1.0  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Lighter:
    """What changes at the levels. `keepalive`: seconds that an idle connection is kept from L1 on. `look_s`: how old status and
    cover may be that are shown from L2 on. `reads_per_second`: of one caller, of what is no sale, from L3 on. `hot_days`: how far
    back a list goes by itself from L3 on."""

    keepalive: float = 120.0
    look_s: float = 5.0
    reads_per_second: float = 5.0
    hot_days: int = 30


class Degradation:
    """Of one node. `done`: orders done since the start; `waiting`: orders that wait now."""

    def __init__(
        self,
        rules: LadderRules,
        lighter: Lighter,
        done: Callable[[], int],
        waiting: Callable[[], int],
        append: Callable[[Sequence[EventDraft]], Awaitable[None]],
        node: str,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lighter = lighter
        self.rules = rules
        self._ladder = Ladder(rules, now())
        self._done = done
        self._waiting = waiting
        self._append = append
        self._node = node
        self._now = now
        self._seen: deque[tuple[float, int, bool]] = deque()
        self._by_hand: Level | None = None
        self._told = Level.NORMAL
        self.share = 1.0  # of the design rate, at the last look
        self.why: str | None = None  # of a level set by hand
        self.replica: Callable[[], bool] = lambda: False  # whether there is one that may be read

    @property
    def level(self) -> Level:
        return self._ladder.level if self._by_hand is None else self._by_hand

    @property
    def by_hand(self) -> bool:
        return self._by_hand is not None

    def at_least(self, level: Level) -> bool:
        return self.level >= level

    def measures(self) -> tuple[Measure, ...]:
        """Those that are in force now."""
        return measures_at(self.level, self.replica())

    async def set_by_hand(self, level: Level | None, why: str | None, actor: str | None) -> None:
        """None: by itself again."""
        self._by_hand, self.why = level, why if level is not None else None
        await self._tell(actor)

    async def look(self) -> float:
        """Once a second."""
        now, done, waits = self._now(), self._done(), self._waiting() > 0
        self._seen.append((now, done, waits))
        while now - self._seen[0][0] > WINDOW:
            self._seen.popleft()
        first, before, _ = self._seen[0]
        if now - first >= WINDOW / 2:
            rate = (done - before) / (now - first)
            self.share = rate / self.rules.design
            self._ladder.look(now, rate, all(waited for _, _, waited in self._seen))
        await self._tell(None)
        return _LOOK

    async def _tell(self, actor: str | None) -> None:
        level, before = self.level, self._told
        if level is before:
            return
        kind = "degrade.raised" if level > before else "degrade.lowered"
        data: dict[str, str | int | bool | None] = {
            "level": int(level),
            "former": int(before),
            "share": round(self.share * 100),  # percent of the design rate
            "by_hand": self.by_hand,
            "node": self._node,
        }
        if actor is not None:
            data["actor"] = actor
        await self._append([EventDraft(kind, SystemClock().now(), data=data)])
        self._told = level


def undegraded() -> Degradation:
    """One that has nothing to do and never steps down."""
    return Degradation(LadderRules(), Lighter(), lambda: 0, lambda: 0, trail.kept_nowhere, "")
