"""The breaker of one endpoint (R11, P29, P30): after three failures in a row nothing goes there but probes, and good probes
open the way again. Pure: it is told the time and what calls showed.

States: *closed* (calls go), *open* (only probes, which are health calls), *half open* (open, and the last probe was good).
A far side that answers too slowly opens it once, as the rule says; when its probes answer just as slowly it is closed again
as *slow*: there, and working. Then calls go farther apart and slowness is no failure any more, until it has been quick
again for `failures` calls in a row and for `steady_s`. The same when only its probes are quick, and its calls open it again.
After every closing calls begin one a second, then twice as many each second. A limit on calls under way would be simpler,
but one that hangs would then keep the others waiting.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from kaipiao.authority.channel import Answer, Outcome, Timeline
from kaipiao.authority.transport import CAUSES
from kaipiao.issuing.problems import BREAKER_OPEN, DEFECT, LEASE_LOST
from kaipiao.issuing.wire import unreached

T = TypeVar("T")

SLOW = "breaker.slow"  # the cause, when the last failure was an answer that took too long
_OURS = frozenset({DEFECT.code, LEASE_LOST.code, BREAKER_OPEN.code, "queue.timeout"})  # says nothing of the far side
_UNBELIEVED = ("http.", "outer.", "answer.")
_DOUBLINGS = 6  # seconds after a closing, from which on calls begin as they come


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """`slow_s`, `probe_timeout_s`: real seconds of the wire. The other durations: seconds of the platform's clock. `probe_s`
    may be longer or shorter by the share `jitter`. What opens again within `steady_s` is probed less often each time, up to
    `probe_most_s`; when an upload window closes within `hurry_s`, every `hurry_probe_s` whatever happened before. While the far side is slow, a
    call begins every `slow_gap_s`."""

    failures: int = 3
    slow_s: float = 5.0
    good_probes: int = 2
    probe_s: float = 5.0
    probe_most_s: float = 30.0
    probe_timeout_s: float = 60.0
    jitter: float = 0.2
    steady_s: float = 60.0
    hurry_s: float = 1800.0
    hurry_probe_s: float = 1.0
    slow_gap_s: float = 1.25


class Showed(StrEnum):
    """What a call showed of the far side."""

    GOOD = "good"  # it answered; a refusal or a rate limit is an answer
    SLOW = "slow"  # it answered, too late
    FAILED = "failed"  # not reached, no believable answer, or its own fault
    NOTHING = "nothing"  # the call ended on our side


def showed(answer: Answer[T], slow_s: float) -> Showed:
    code = answer.code or ""
    if code in _OURS:
        return Showed.NOTHING
    if unreached(answer) or code in CAUSES or answer.outcome is Outcome.RETRY or code.startswith(("http.5", "outer.5")):
        return Showed.FAILED
    if answer.outcome is Outcome.AMBIGUOUS and (not code or code.startswith(_UNBELIEVED)):
        return Showed.FAILED
    return Showed.SLOW if seconds_of(answer.timeline) >= slow_s else Showed.GOOD


def seconds_of(line: Timeline | None) -> float:
    """Real seconds on the wire, the wait for a connection of ours not counted."""
    if line is None or not line.spans:
        return 0.0
    last = line.spans[-1]
    return (last.start if last.end is None else last.end) - line.spans[0].start


class Breaker:
    """One endpoint as one node sees it. `chance` shifts probes, so that nodes do not probe in step."""

    def __init__(self, rules: BreakerRules, now: datetime, chance: random.Random) -> None:
        self.open = False
        self.since = now
        self.failures = 0  # in a row
        self.slow = False
        self.cause: str | None = None
        self.era = 0  # what began in another one says nothing of this one
        self._rules = rules
        self._chance = chance
        self._probing = False
        self._good = 0  # probes in a row
        self._slow_probe = False
        self._reached = False  # every failure of the row was an answer, only too late
        self._quick = 0  # calls in a row while it is slow
        self._reopened = 0  # times in a row that it was open again soon
        self._last_probe = now
        self._spread = 1.0
        self._last_call = now

    def may_begin(self, now: datetime) -> bool:
        """Whether one more call may begin now."""
        gap = self._gap(now)
        return not self.open and (gap == 0 or abs(now - self._last_call) >= timedelta(seconds=gap))

    def begun(self, now: datetime) -> None:
        self._last_call = now

    def _gap(self, now: datetime) -> float:
        """Seconds between the beginnings of two calls."""
        if self.slow:
            return self._rules.slow_gap_s
        elapsed = (now - self.since).total_seconds()
        return 2.0**-elapsed if self.era and 0 <= elapsed < _DOUBLINGS else 0.0

    def heard(self, what: Showed, code: str | None, era: int, now: datetime) -> None:
        """A call ended. Of one that began before the last change nothing is learnt."""
        if self.open or era != self.era or what is Showed.NOTHING:
            return
        if what is Showed.FAILED or (what is Showed.SLOW and not self.slow):
            self._reached = what is Showed.SLOW and (self._reached or not self.failures)
            self.failures += 1
            self.cause = SLOW if what is Showed.SLOW else code
            if self.failures >= self._rules.failures:
                self._open(now)
            return
        self.failures = 0
        self._quick = self._quick + 1 if what is Showed.GOOD else 0
        steady = now - self.since >= timedelta(seconds=self._rules.steady_s)
        if self.slow and steady and self._quick >= self._rules.failures:
            self.slow, self.cause = False, None

    def probe_at(self, hurry: bool) -> datetime:
        """When the next probe may begin."""
        rules = self._rules
        soon = rules.hurry_probe_s if hurry or self._good else rules.probe_s
        if not hurry and not self._good and not self._reached:
            soon = min(rules.probe_most_s, soon * 2.0 ** min(self._reopened, 20))
        return self._last_probe + timedelta(seconds=soon * self._spread)

    def begin_probe(self, now: datetime, hurry: bool) -> bool:
        """True if a probe may begin now; it then is under way until `probed`. Never two at a time."""
        put_back = now < self._last_probe  # the clock: it is not waited for
        if not self.open or self._probing or (now < self.probe_at(hurry) and not put_back):
            return False
        self._probing = True
        return True

    def probed(self, what: Showed, code: str | None, now: datetime) -> None:
        self._probing = False
        self._last_probe = now
        self._spread = 1.0 + self._chance.uniform(-self._rules.jitter, self._rules.jitter)
        if what in (Showed.FAILED, Showed.NOTHING):
            self._good, self._slow_probe = 0, False
            self.cause = code if what is Showed.FAILED else self.cause
            return
        self._good += 1
        self._slow_probe = what is Showed.SLOW
        if self._good >= self._rules.good_probes:
            self._close(now)

    def _open(self, now: datetime) -> None:
        soon = now - self.since < timedelta(seconds=self._rules.steady_s)
        self._reopened = self._reopened + 1 if soon and self.era else 0
        self.open, self.since, self.slow = True, now, False
        self.era += 1
        self._good, self._last_probe = 0, now

    def _close(self, now: datetime) -> None:
        self.open, self.since, self.failures = False, now, 0
        self.era += 1
        self._good, self._quick = 0, 0
        self.slow = self._slow_probe or (self._reached and self._reopened > 0)
        self.cause = SLOW if self.slow else None
        self._last_call = now - timedelta(days=1)  # the first may go at once
