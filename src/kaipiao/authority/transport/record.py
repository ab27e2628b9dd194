"""The phase record of one call. It travels in a context variable, from the call down to the socket.

That holds for HTTP/1.1 only, where the task that asks is the task that connects, writes and reads.
"""

from __future__ import annotations

import re
import time
from contextvars import ContextVar
from datetime import UTC
from email.utils import parsedate_to_datetime

from kaipiao.authority.channel import FarTime, Phase, PhaseSpan, Timeline
from kaipiao.authority.transport.failure import CAUSES, CERTIFICATE_REFUSED, Failure
from kaipiao.authority.transport.settings import Timeouts

_DATE = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)  # RFC 9110 section 5.6.7


class Record:
    """Phases, bytes and the first failure of one call. Times are `time.monotonic` seconds."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.phase: Phase | None = None
        self.bytes_sent = 0
        self.reused = False
        self.peer: str | None = None
        self.stale = False  # the address was the last known good one
        self.ended = False  # the far side closed the connection in order
        self.failure: Failure | None = None
        self._far_time: FarTime | None = None
        self._timeouts = timeouts
        self._began = self._entered = time.monotonic()
        self._spans: list[PhaseSpan] = []

    def enter(self, phase: Phase) -> None:
        now = time.monotonic()
        self._close_span(now)
        self.phase, self._entered = phase, now

    def finish(self) -> None:
        """The last phase ended well."""
        self._close_span(time.monotonic())
        self.failure = None
        self._entered = -1.0

    def dated(self, date: str | None) -> None:
        """The answer's Date, when its head has just come. One that is no date of HTTP is none: without GMT it would be taken
        for our own time zone, or for another's."""
        writing = [span.start for span in self._spans if span.phase is Phase.WRITE]
        if date is None or not writing or not _DATE.fullmatch(date):
            return
        try:
            told = parsedate_to_datetime(date).astimezone(UTC).timestamp()
        except (ValueError, OverflowError):
            return
        received = time.time()
        self._far_time = FarTime(told, received - (time.monotonic() - self._began - writing[-1]), received)

    def left(self) -> float:
        """Seconds left of the present phase."""
        allowed: float = getattr(self._timeouts, self.phase.value if self.phase else "queue")
        return max(0.0, self._entered + allowed - time.monotonic())

    def fail(self, cause: str, detail: str | None = None) -> None:
        """Note a failure in the present phase. The first one counts: what follows is its echo."""
        if self.failure is None:
            assert cause in CAUSES
            nothing_sent = self.bytes_sent == 0
            refused = cause == CERTIFICATE_REFUSED
            phase = Phase.HANDSHAKE if refused else self.phase or Phase.RESOLVE
            self.failure = Failure(cause, phase, nothing_sent, nothing_sent or refused, detail)

    def timeline(self) -> Timeline:
        spans = list(self._spans)
        if self.phase is not None and self._entered >= 0:
            spans.append(PhaseSpan(self.phase, self._entered - self._began, None))
        return Timeline(
            self.phase or Phase.RESOLVE,
            tuple(spans),
            self.bytes_sent,
            self.reused,
            self.peer,
            self._far_time,
            stale=self.stale,
        )

    def _close_span(self, now: float) -> None:
        if self.phase is not None:
            self._spans.append(PhaseSpan(self.phase, self._entered - self._began, now - self._began))


CURRENT: ContextVar[Record] = ContextVar("kaipiao.authority.transport.record")
