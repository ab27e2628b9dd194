"""A warning that says the same again and again is written once a minute, with how often it was said."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

PERIOD = 60.0  # seconds of real time
MOST = 1024  # different warnings that are remembered


@dataclass(slots=True)
class _Said:
    at: float
    unsaid: int = 0


class Repeats(logging.Filter):
    """Holds back a warning about a taxpayer that was written less than a minute ago with the same words and code. The
    next one that is written says in `repeated` how many were held back. Errors always pass."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._now = now
        self._said: dict[tuple[object, ...], _Said] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        taxpayer = getattr(record, "taxpayer", None)
        if record.levelno != logging.WARNING or taxpayer is None:
            return True
        key = (record.name, record.msg, taxpayer, getattr(record, "code", None))
        now, said = self._now(), self._said.get(key)
        if said is not None and now < said.at + PERIOD:
            said.unsaid += 1
            return False
        record.repeated = said.unsaid if said and said.unsaid else None
        self._remember(key, now)
        return True

    def _remember(self, key: tuple[object, ...], now: float) -> None:
        self._said.pop(key, None)
        if len(self._said) >= MOST:
            del self._said[next(iter(self._said))]  # the one that was written longest ago
        self._said[key] = _Said(now)
