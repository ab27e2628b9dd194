"""Something on disk that may change while we run: looked at, at most once a second, by whoever asks for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from kaipiao.errors import KaipiaoError

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0  # real time
T = TypeVar("T")


class Watched(Generic[T]):
    """`mark` tells cheaply whether there was a change (any value that compares); `read` reads it.

    What cannot be read at the start raises; what cannot be read later is logged, and the former value stays."""

    def __init__(self, mark: Callable[[], object], read: Callable[[], T]) -> None:
        self._mark, self._read = mark, read
        self._seen = mark()
        self._value = read()
        self._looked_at = time.monotonic()
        self._failed: object = None
        self.version = 0

    def value(self) -> T:
        """As it was at most a second ago."""
        now = time.monotonic()
        if now >= self._looked_at + LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._value

    def at_once(self) -> T:
        """As it is now: for who asks at a pace of his own."""
        self._looked_at = time.monotonic()
        self._look()
        return self._value

    def _look(self) -> None:
        mark = self._mark()
        if mark == self._seen:
            return
        try:
            self._value = self._read()
        except KaipiaoError as error:
            if mark != self._failed:
                log.error("an access file cannot be read: the former one stays", extra={"code": error.code})
            self._failed = mark
            return
        self._seen, self._failed = mark, None
        self.version += 1
