"""What issuing needs from outside besides the ledger, the channel and the sealer: threads and chance.

Time and sleep come through `kaipiao.clock.Clock`. So the whole of issuing can run in virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol, TypeVar

T = TypeVar("T")


class Workers(Protocol):
    """Where blocking work runs that releases the GIL (sealing)."""

    async def run(self, work: Callable[[], T]) -> T: ...


class Threads:
    """Worker threads."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


class Inline:
    """No threads: the work runs where it is asked for (tests, simulation)."""

    async def run(self, work: Callable[[], T]) -> T:
        return work()


class Ids(Protocol):
    """63-bit, time-ordered ids, made by the application."""

    def next(self) -> int: ...
