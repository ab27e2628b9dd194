"""A sealer and its threads that tell how long a seal took and how many wait."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

from kaipiao.issuing.ports import Workers
from kaipiao.operations.metrics import Metrics
from kaipiao.seal.port import Seal, Sealer

T = TypeVar("T")


class WatchedSealer:
    """See `Sealer`."""

    def __init__(self, sealer: Sealer, metrics: Metrics) -> None:
        self._sealer = sealer
        self._metrics = metrics

    def seal(self, data: bytes) -> Seal:
        began = perf_counter()
        seal = self._sealer.seal(data)
        self._metrics.sealed(perf_counter() - began)
        return seal

    def verify(self, data: bytes, seal: Seal) -> bool:
        return self._sealer.verify(data, seal)


class WatchedWorkers:
    """See `Workers`. `tasks`: how many wait or run now."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.tasks = 0

    async def run(self, work: Callable[[], T], size: int = 0) -> T:
        self.tasks += 1
        try:
            return await self._workers.run(work, size)
        finally:
            self.tasks -= 1
