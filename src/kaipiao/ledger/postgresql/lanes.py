"""Who writes when: natural group commit on several connections.

Admissions that queued while the last group was on its way form the next one. There is no timer. A few groups may be
under way at once, and some lanes are never given to them: so that issuing does not starve the uploader, nor the uploader
issuing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

from kaipiao.errors import LedgerFault
from kaipiao.language import Text
from kaipiao.ledger.port import Admission
from kaipiao.ledger.postgresql.faults import fault_of
from kaipiao.ledger.postgresql.lane import Lane
from kaipiao.ledger.postgresql.transaction import Transaction

LANES = 4
_ADMITTING = 2  # lanes at most for admissions: one group is stored while the next is sent
_WORKING = LANES - 1  # lanes at most for everything else
_MOST = 500  # admissions in one group, unless one call brings more

Work = Callable[[Transaction], Awaitable[Any]]
Admit = Callable[[Lane, Sequence["Waiting"]], Awaitable[None]]


@dataclass(slots=True)
class Waiting:
    """An admission call and who waits for its results."""

    items: Sequence[Admission]
    future: asyncio.Future[Any]

    def deliver(self, result: object) -> None:
        """A caller that went away meanwhile changes nothing."""
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Lanes:
    """`admit` runs a group of admissions on a lane and tells every one of it what became of it."""

    def __init__(self, lanes: Sequence[Lane], admit: Admit) -> None:
        self._lanes = lanes
        self._admit = admit
        self._free = list(range(len(lanes)))
        heapify(self._free)
        self._works: deque[tuple[Work, asyncio.Future[Any]]] = deque()
        self._admissions: deque[Waiting] = deque()
        self._working = 0
        self._admitting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._called = False
        self._closing = False

    def submit(self, work: Work) -> asyncio.Future[Any]:
        """Queue an operation that is a transaction of its own."""
        waiting = self._new_future()
        self._works.append((work, waiting))
        return waiting

    def submit_admissions(self, items: Sequence[Admission]) -> asyncio.Future[Any]:
        """Queue admissions. What is submitted in one turn of the loop goes together."""
        waiting = self._new_future()
        self._admissions.append(Waiting(items, waiting))
        return waiting

    async def close(self) -> None:
        """Everything that was asked for before is done first."""
        self._closing = True
        while self._tasks or self._works or self._admissions:
            self._start()
            await asyncio.wait(set(self._tasks))

    def _new_future(self) -> asyncio.Future[Any]:
        if self._closing:
            raise LedgerFault(Text("账本已关闭", "The ledger is closed"))
        loop = asyncio.get_running_loop()
        if not self._called:
            self._called = True
            loop.call_soon(self._start)
        return loop.create_future()

    def _start(self) -> None:
        """Put to work what may be put to work now; the lanes that come first are used first."""
        self._called = False
        while self._free:
            if self._works and self._working < _WORKING:
                self._working += 1
                self._run(self._work(heappop(self._free), *self._works.popleft()))
            elif self._admissions and self._admitting < _ADMITTING:
                self._admitting += 1
                self._run(self._admit_group(heappop(self._free), self._next_group()))
            else:
                return

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _next_group(self) -> list[Waiting]:
        group = [self._admissions.popleft()]
        size = len(group[0].items)
        while self._admissions and size + len(self._admissions[0].items) <= _MOST:
            group.append(self._admissions.popleft())
            size += len(group[-1].items)
        return group

    async def _work(self, lane: int, work: Work, future: asyncio.Future[Any]) -> None:
        waiting = Waiting((), future)
        try:
            waiting.deliver(await self._lanes[lane].run(work))
        except Exception as error:  # told to the one who asked
            waiting.fail(fault_of(error))
        finally:
            self._working -= 1
            self._give_back(lane)

    async def _admit_group(self, lane: int, group: list[Waiting]) -> None:
        try:
            await self._admit(self._lanes[lane], group)
        except Exception as error:  # told to those who asked
            for waiting in group:
                waiting.fail(fault_of(error))
        finally:
            self._admitting -= 1
            self._give_back(lane)

    def _give_back(self, lane: int) -> None:
        heappush(self._free, lane)
        self._start()
