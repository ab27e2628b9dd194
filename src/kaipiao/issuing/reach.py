"""Which far sides can be reached. While one cannot, a single call in a short interval tries it, and nothing else is
attempted, counted or written down; its first answer lets everything go on at once."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TypeVar

from kaipiao.authority.channel import Answer
from kaipiao.clock import Clock
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.wire import unreached

log = logging.getLogger(__name__)

T = TypeVar("T")


class Reach:
    """What the last calls of this node showed, per channel. A call of which no byte left this machine says nothing about
    an invoice or a taxpayer: only that the far side cannot be reached."""

    def __init__(self, clock: Clock, policy: Policy) -> None:
        self._clock = clock
        self._interval = timedelta(seconds=policy.probe_seconds)
        self._next_try: dict[str, datetime] = {}  # of channels that cannot be reached

    def may_try(self, channel: str) -> bool:
        """Whether a call may begin. Of those that ask while the far side cannot be reached, one in each interval may."""
        now = self._clock.now()
        if self._next_try.get(channel, now) > now:
            return False
        if channel in self._next_try:
            self._next_try[channel] = now + self._interval
        return True

    def is_lost(self, channel: str) -> bool:
        return channel in self._next_try

    def note(self, channel: str, answer: Answer[T]) -> None:
        """What a call has shown."""
        if not unreached(answer):
            if self._next_try.pop(channel, None) is not None:
                log.warning("the far side is reached again", extra={"channel": channel})
        elif channel not in self._next_try:
            log.error("the far side cannot be reached", extra={"channel": channel})
            self._next_try[channel] = self._clock.now() + self._interval
