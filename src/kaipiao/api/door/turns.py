"""Whose turn is next: a queue for each party, one turn after another round the parties. Pure.

A party that sends a thousand orders waits behind itself; the single order of another is the next or the one after.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

TURN_BYTES = 64 * 1024  # a larger order costs its party a further turn for each of these


@dataclass(slots=True, eq=False)
class Waiter:
    """An order that waits. `since`: seconds of the queue's clock. `patient`: it is never asked to go."""

    party: str
    size: int  # bytes
    since: float
    granted: asyncio.Future[None]
    patient: bool = False


class _Line:
    """The waiters of one party, the first in front. `owed`: turns it has to let pass for the size of what it had."""

    __slots__ = ("owed", "waiters")

    def __init__(self) -> None:
        self.waiters: OrderedDict[Waiter, None] = OrderedDict()
        self.owed = 0


class Turns:
    """Round robin over the parties that wait. Every operation but `longest` and `stale` takes constant time."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, _Line] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def parties(self) -> int:
        return len(self._lines)

    def of(self, party: str) -> int:
        """How many wait for this party."""
        line = self._lines.get(party)
        return len(line.waiters) if line is not None else 0

    def add(self, waiter: Waiter) -> None:
        line = self._lines.get(waiter.party)
        if line is None:
            line = self._lines[waiter.party] = _Line()
        line.waiters[waiter] = None
        self._count += 1

    def next(self) -> Waiter:
        """The first waiter of the party whose turn it is. Raises `KeyError` when nobody waits."""
        while True:
            party, line = self._lines.popitem(last=False)
            if line.owed and self._lines:  # alone, nobody has the turn that it would let pass
                line.owed -= 1
                self._lines[party] = line
                continue
            waiter, _ = line.waiters.popitem(last=False)
            self._count -= 1
            line.owed = waiter.size // TURN_BYTES
            if line.waiters:
                self._lines[party] = line
            return waiter

    def remove(self, waiter: Waiter) -> bool:
        """Whether it was still waiting."""
        line = self._lines.get(waiter.party)
        if line is None or waiter not in line.waiters:
            return False
        del line.waiters[waiter]
        self._count -= 1
        if not line.waiters:
            del self._lines[waiter.party]
        return True

    def longest(self) -> tuple[str, int]:
        """The party with the most waiters, and their count. ("", 0) when nobody waits."""
        counts = ((party, len(line.waiters)) for party, line in self._lines.items())
        return max(counts, key=lambda found: found[1], default=("", 0))

    def newest(self, party: str) -> Waiter | None:
        """The last of a party that may be asked to go: it has waited least."""
        line = self._lines.get(party)
        if line is None:
            return None
        return next((waiter for waiter in reversed(line.waiters) if not waiter.patient), None)

    def stale(self, before: float) -> list[Waiter]:
        """Those who wait since earlier than `before`, but for the patient."""
        return [waiter for line in self._lines.values() for waiter in _stale(line, before)]


def _stale(line: _Line, before: float) -> Iterator[Waiter]:
    """They stand in the order in which they came."""
    for waiter in line.waiters:
        if waiter.since >= before:
            return
        if not waiter.patient:
            yield waiter
