"""What issuing needs from outside besides the ledger, the channel and the sealer: threads and chance.

Time and sleep come through `kaipiao.clock.Clock`. So the whole of issuing can run in virtual time.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

T = TypeVar("T")
LARGEST_SHARE = 8  # tasks that one thread does before the first of them is told its result
FEW_CORES = 2
SMALL = 64 * 1024  # bytes: an invoice of some hundred lines


class Workers(Protocol):
    """Where blocking work runs that releases the GIL (sealing)."""

    async def run(self, work: Callable[[], T], size: int = 0) -> T:
        """`size`: bytes that it works on."""
        ...


class Threads:
    """Worker threads. What is asked for in one turn of the loop is handed over in shares, one for each idle thread, and each
    share comes back in one call: a hand-over costs more than it looks, for it takes the interpreter from another thread."""

    def __init__(self, executor: Executor, threads: int) -> None:
        self._executor = executor
        self._idle = threads
        self._asked: deque[_Task] = deque()

    async def run(self, work: Callable[[], T], size: int = 0) -> T:
        loop = asyncio.get_running_loop()
        task = _Task(work, loop.create_future())
        if not self._asked:
            loop.call_soon(self._hand_over, loop)
        self._asked.append(task)
        return cast(T, await task.waiting)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._idle and self._asked:
            size = min(LARGEST_SHARE, -(-len(self._asked) // self._idle))
            share = [self._asked.popleft() for _ in range(size)]
            self._idle -= 1
            try:
                self._executor.submit(self._do, share, loop)
            except RuntimeError as error:  # it is shut down, or there is no further thread: nobody may wait for ever
                self._give_up(share, error)

    def _give_up(self, share: list[_Task], error: Exception) -> None:
        self._idle += 1
        for task in share:
            task.error = error
            task.deliver()

    def _do(self, share: list[_Task], loop: asyncio.AbstractEventLoop) -> None:
        """On a worker thread."""
        for task in share:
            task.do()
        loop.call_soon_threadsafe(self._came_back, share, loop)

    def _came_back(self, share: list[_Task], loop: asyncio.AbstractEventLoop) -> None:
        self._idle += 1
        self._hand_over(loop)
        for task in share:
            task.deliver()


@dataclass(slots=True)
class _Task:
    work: Callable[[], object]
    waiting: asyncio.Future[object]
    result: object = None
    error: Exception | None = None

    def do(self) -> None:
        try:
            self.result = self.work()
        except BaseException as error:  # of every kind: it belongs to the one who asked, and others wait behind it
            self.error = _fit_for_a_future(error)

    def deliver(self) -> None:
        """On the event loop. One who went away meanwhile changes nothing."""
        if self.waiting.done():
            return
        if self.error is not None:
            self.waiting.set_exception(self.error)
        else:
            self.waiting.set_result(self.result)


def _fit_for_a_future(error: BaseException) -> Exception:
    """A library that panics raises what would end the thread or the loop: it is told as a failure like any other."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"{type(error).__name__} in a worker")


class Inline:
    """No threads: the work runs where it is asked for (tests, simulation)."""

    async def run(self, work: Callable[[], T], size: int = 0) -> T:
        return work()


class SmallInline:
    """For machines with few cores (ADR 0103): work on fewer bytes than `below` is done on the event loop, because there
    threads take the interpreter from each other for longer than a seal takes. The rest is for `workers`.

    What one turn of the loop asks for is done in a row at its end: seals and requests, turn by turn, would drive each other
    out of the processor's caches."""

    def __init__(self, workers: Workers, below: int) -> None:
        self._workers = workers
        self._below = below
        self._asked: list[_Task] = []

    async def run(self, work: Callable[[], T], size: int = 0) -> T:
        if size >= self._below:
            return await self._workers.run(work, size)
        loop = asyncio.get_running_loop()
        task = _Task(work, loop.create_future())
        if not self._asked:
            loop.call_soon(self._do)
        self._asked.append(task)
        return cast(T, await task.waiting)

    def _do(self) -> None:
        asked, self._asked = self._asked, []
        for task in asked:
            if not task.waiting.done():
                task.do()
                task.deliver()


def workers_on(cores: int, executor: Executor, threads: int) -> Workers:
    """What seals on a machine with so many cores."""
    by_threads = Threads(executor, threads)
    return SmallInline(by_threads, SMALL) if cores <= FEW_CORES else by_threads


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Ids(Protocol):
    """63-bit, time-ordered ids, made by the application."""

    def next(self) -> int: ...
