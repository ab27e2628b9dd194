"""Whether lists may be read from a copy of the ledger now: looked at each second, left at once, taken again after some good looks."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence

from kaipiao.clock import SystemClock
from kaipiao.errors import KaipiaoError, ReplicaBehind
from kaipiao.ledger.lists import Copy, Seen
from kaipiao.ledger.port import EventDraft

log = logging.getLogger(__name__)
LOOK = 1.0  # seconds between two looks
OLDEST_LOOK = 3.0  # seconds; a look that is older says nothing any more
GOOD_LOOKS = 5  # one after the other, before a copy is read


class ReplicaWatch:
    """`most`: seconds that the copy may be behind (P42). `append`: to the trail. Its losses and returns are events."""

    def __init__(
        self, copy: Copy, most: float, append: Callable[[Sequence[EventDraft]], Awaitable[None]], node: str
    ) -> None:
        self.copy = copy
        self.lag = math.nan  # seconds, at the last look; not a number: nobody knows
        self._most = most
        self._append = append
        self._node = node
        self._good = 0
        self._lost: str | None = None  # why it is not read
        self._told: str | None = None

    def usable(self) -> Seen | None:
        """The look by which it may be read now."""
        seen = self.copy.seen
        if seen is None:  # the way was lost between two looks
            self._good = 0
        if seen is None or self._good < GOOD_LOOKS or time.monotonic() - seen.at > OLDEST_LOOK:
            return None
        return seen

    async def look(self) -> float:
        """Seconds until the next. Raises what the ledger raises when it cannot be told; then it is told the next time."""
        if self.copy.seen is None:
            self._good = 0
        try:
            seen = await self.copy.look(self._most)
        except KaipiaoError as error:
            self._good, self._lost = 0, _reason(error)
            self.lag = _lag(error)
        else:
            self.lag = seen.lag
            self._good += 1
            if self._good >= GOOD_LOOKS:
                self._lost = None
        await self._tell()
        return LOOK

    async def _tell(self) -> None:
        if (self._lost is None) == (self._told is None):
            return
        kind = "replica.back" if self._lost is None else "replica.lost"
        data: dict[str, str | int | bool | None] = {
            "reason": self._lost or self._told,
            "lag_ms": None if math.isnan(self.lag) else round(self.lag * 1000),
            "node": self._node,
        }
        log.warning(kind, extra={"cause": data["reason"]})
        await self._append([EventDraft(kind, SystemClock().now(), data=data)])
        self._told = self._lost


def _reason(error: KaipiaoError) -> str:
    """A code of ours, and what is the matter."""
    if isinstance(error, ReplicaBehind):
        return error.code
    return f"{error.code} {error.facts.get('reason', '')}".strip()


def _lag(error: KaipiaoError) -> float:
    behind = error.facts.get("lag_ms")
    return behind / 1000 if isinstance(behind, int) else math.nan
