"""Places for a few at a time, given to whoever is most urgent when one becomes free (R11: the oldest deadline first)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager


class Slots:
    """`count` places. Those who wait are ranked by the last order that was told; who is not in it comes last, and among equals
    who came first."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._ranks: dict[Hashable, int] = {}
        self._waiting: list[tuple[Hashable, asyncio.Future[None]]] = []

    def rank(self, order: Sequence[Hashable]) -> None:
        """The most urgent first."""
        self._ranks = {key: place for place, key in enumerate(order)}

    @asynccontextmanager
    async def place(self, key: Hashable) -> AsyncIterator[None]:
        """One place for the time of the block."""
        await self._take(key)
        try:
            yield
        finally:
            self._give()

    async def _take(self, key: Hashable) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given a place in the very moment that it was cut
                self._give()
            raise
        finally:
            self._waiting = [one for one in self._waiting if one[1] is not turn]

    def _give(self) -> None:
        waiting = [(key, turn) for key, turn in self._waiting if not turn.done()]
        if not waiting:
            self._free += 1
            return
        last = len(self._ranks)
        _, turn = min(waiting, key=lambda one: self._ranks.get(one[0], last))
        turn.set_result(None)
