"""Ids made by the application: 63 bits, ordered by time, no sequence in any database.

41 bits of milliseconds since 2020 (69 years), 22 bits of chance. The chance is taken as the start of a counter within
each millisecond, so that ids of one maker always rise, also when the clock stands still or runs backwards.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Protocol

_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
_CHANCE_BITS = 22
_LAST = 2**63 - 1


class Chance(Protocol):
    """What is needed of `random.Random`."""

    def getrandbits(self, k: int, /) -> int: ...


class IdMaker:
    """Makes ids. `now` gives aware instants; `chance` is seeded in simulations. Two makers meet with a chance of about
    1 : 4 million per pair of ids of the same millisecond; the ledger refuses the second as a defect."""

    def __init__(self, now: Callable[[], datetime], chance: Chance | None = None) -> None:
        self._now = now
        self._chance = chance or Random()  # noqa: S311 — ids are unique, not secret; seeded by the system
        self._last = 0

    def next(self) -> int:
        """The next id, greater than every one before it."""
        milliseconds = max(0, int((self._now() - _BEGIN).total_seconds() * 1000))
        fresh = milliseconds << _CHANCE_BITS | self._chance.getrandbits(_CHANCE_BITS)
        self._last = max(fresh, self._last + 1 + self._chance.getrandbits(8))
        if self._last > _LAST:
            raise OverflowError("ids of 63 bits are used up")
        return self._last


def first_id(instant: datetime) -> int:
    """No id that was made from this instant on is smaller."""
    return max(0, int((instant - _BEGIN).total_seconds() * 1000)) << _CHANCE_BITS


def run_name() -> str:
    """A name for this run of this node in the trail: node, start, and some chance in case both occur again."""
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{socket.gethostname()}-{started}-{os.getpid()}-{secrets.token_hex(3)}"
