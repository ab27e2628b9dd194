"""Errands under way: one at a time for each key, so that a slow, hanging or failing one keeps no other waiting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from kaipiao.clock import Clock
from kaipiao.issuing.policy import Policy

log = logging.getLogger(__name__)

Key = tuple[str, ...]


class Errands:
    """Runs errands side by side. One that fails is told and held back, longer each time; the next round tries again."""

    def __init__(self, name: str, clock: Clock, policy: Policy) -> None:
        self._name = name
        self._clock = clock
        self._policy = policy
        self._under_way: dict[Key, asyncio.Task[int]] = {}
        self._failed: dict[Key, tuple[int, datetime]] = {}  # how often in a row, and until when it is held back

    def busy(self) -> set[str]:
        """The taxpayers with something under way."""
        return {key[0] for key in self._under_way}

    def is_free(self, key: Key) -> bool:
        """Whether it may begin: the one before with this key is over, and did not fail a moment ago."""
        _, not_before = self._failed.get(key, (0, None))
        return key not in self._under_way and (not_before is None or not_before <= self._clock.now())

    def start(self, key: Key, errand: Callable[[], Awaitable[int]]) -> None:
        """Begin it, unless the one before with this key is still under way or failed a moment ago."""
        if self.is_free(key):
            self._under_way[key] = asyncio.create_task(self._run(key, errand), name=f"{self._name} {' '.join(key)}")

    async def wait(self) -> int:
        """Wait for what is under way, but not for what is slow. Returns the sum of what came to its end."""
        if not self._under_way:
            return 0
        done, _ = await asyncio.wait(self._under_way.values(), timeout=self._policy.errand_patience)
        return sum(task.result() for task in done)

    async def close(self, grace: float) -> None:
        """Let what is under way come to its end within `grace` real seconds, then cut it."""
        tasks = list(self._under_way.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, errand: Callable[[], Awaitable[int]]) -> int:
        try:
            done = await errand()
        except Exception as error:  # of every kind: whatever befalls one key must not stop the others
            self._hold(key, error)
            return 0
        finally:
            del self._under_way[key]
        self._failed.pop(key, None)
        return done

    def _hold(self, key: Key, error: Exception) -> None:
        failures = self._failed.get(key, (0, None))[0] + 1
        seconds = min(self._policy.backoff(failures), self._policy.errand_rest)
        self._failed[key] = (failures, self._clock.now() + timedelta(seconds=seconds))
        code = getattr(error, "code", None)
        told = {"loop": self._name, "taxpayer": key[0], "code": code, "failures": failures}
        log.error("errand failed", exc_info=error, extra=told)
