"""Certificates that are about to expire, as events: one for each threshold that is passed, and one when they were renewed.

What was said already is read from the alarm that is open: the desk writes the events only together with its own revision, so
they are written once, however many nodes there are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from kaipiao.issuing import trail
from kaipiao.ledger.alarms import Alarm
from kaipiao.ledger.port import EventDraft

SORT = "certificate"
HOURS = (720, 336, 168, 72, 0)  # 30, 14, 7 days; P10; over
AGAIN = 60.0  # real seconds between looks at the files


class Expiries:
    """`hours_left`: of each certificate, by its name; blocks for the reading of small files at most once a minute."""

    def __init__(
        self, hours_left: Callable[[], Mapping[str, float]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hours_left, self._clock = hours_left, clock
        self._looked_at = -math.inf

    def events(self, alarms: Sequence[Alarm], now: datetime) -> list[EventDraft]:
        """What is to be said, given the alarms that are open."""
        if self._clock() < self._looked_at + AGAIN:
            return []
        said = {str(one.last.get("name")): one for one in alarms if one.name == SORT}
        found = [
            event for name, hours in self._hours_left().items() for event in _said(name, hours, said.get(name), now)
        ]
        if not found:  # what is said now is looked at again at once: it may not have been written
            self._looked_at = self._clock()
        return found


def threshold(hours: float) -> int | None:
    """The lowest that is passed; None: enough is left, or it is not known."""
    return min((one for one in HOURS if hours <= one), default=None)


def _said(name: str, hours: float, alarm: Alarm | None, now: datetime) -> Iterator[EventDraft]:
    if math.isnan(hours):
        return
    passed = threshold(hours)
    before = alarm.last.get("threshold") if alarm is not None else None
    if passed is None and alarm is not None:
        yield trail.platform("certificate.renewed", now, name=name, hours_left=math.floor(hours))
    elif passed is not None and (not isinstance(before, int) or passed < before):
        yield trail.platform("alarm.certificate", now, name=name, hours_left=math.floor(hours), threshold=passed)
