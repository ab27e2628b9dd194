"""An event loop without a clock, files or threads: time goes on when nothing is left to do, and what runs next is drawn.

asyncio promises the order of `call_soon`; nobody's correctness may rest on it, because answers of ledgers and bureaus come
in any order. So half of the time the loop takes any of what is ready. The same seed takes the same.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from kaipiao_lab.simulation.processes import Process, owner_of

T = TypeVar("T")
AT_ONCE = 20_000  # callbacks in one instant: more is a loop that turns without a pause
Callback = Callable[..., object]


class Stuck(Exception):
    """Nothing is left to do though the story is not over, or nothing ends."""


class Call(asyncio.TimerHandle):
    """A callback that waits for its turn, or for its time."""

    __slots__ = ("do", "given", "gone", "owner", "room", "time")

    def __init__(self, do: Callback, given: tuple[object, ...], room: contextvars.Context, time: float) -> None:
        """Without `super`: half of what asyncio's does serves only its debug mode."""
        self.do, self.given, self.room, self.time = do, given, room, time
        self.owner: Process | None = owner_of(room)
        self.gone = False

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone

    def when(self) -> float:
        return self.time


class VirtualLoop:
    """What of `asyncio.AbstractEventLoop` code without files, sockets, threads and processes needs. `chance` decides the order; `most`: callbacks until the story counts as endless."""

    def __init__(self, chance: random.Random, most: int = 3_000_000) -> None:
        self._chance = chance.random
        self._as_asyncio = cast(asyncio.AbstractEventLoop, self)
        self._most = most
        self._now = 0.0
        self._ready: list[Call] = []
        self._timers: list[tuple[float, float, int, Call]] = []
        self._count = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._kept = 1000
        self._holding: list[Process] = []
        self._closed = False
        self.mishaps: list[str] = []  # what asyncio would have logged

    # --- time and turns

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callback, *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        call = Call(callback, args, context if context is not None else contextvars.copy_context(), self._now)
        self._ready.append(call)
        return call

    def call_later(
        self, delay: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        call = Call(callback, args, context if context is not None else contextvars.copy_context(), when)
        self._count += 1
        heapq.heappush(self._timers, (when, self._chance(), self._count, call))
        return call

    def call_soon_threadsafe(
        self, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        raise NotImplementedError("there are no threads here")

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_asyncio)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: contextvars.Context | None = None, **_: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self._as_asyncio, name=name, context=context)
        self._tasks.append(task)
        if len(self._tasks) > 2 * self._kept:
            self._tasks = [task for task in self._tasks if not task.done()]
            self._kept = max(1000, len(self._tasks))
        return task

    def run(self, story: Coroutine[Any, Any, T]) -> T:
        """Run until the story has ended, then end everything that it left behind. Raises `Stuck`."""
        asyncio._set_running_loop(self._as_asyncio)
        try:
            main = self.create_task(story)
            try:
                self._until(main)
                result: T = main.result()
                return result
            finally:
                self._sweep()
        finally:
            asyncio._set_running_loop(None)
            self._closed = True

    def wake(self, process: Process) -> None:
        """What was held back while it was paused has its turn now."""
        process.paused = False
        self._ready += process.held
        process.held.clear()

    def _until(self, main: asyncio.Task[Any]) -> None:
        """Half of the turns are the oldest's, half are anybody's. Written out in one piece: it runs 15,000 times a seed."""
        ready, chance, turns, most = self._ready, self._chance, 0, self._most
        while not main.done():
            if not ready:
                self._advance()
                most, turns = most - turns, 0
            turns += 1
            if turns > AT_ONCE or most < 0:
                raise Stuck(f"work without a pause at {self._now:.3f} s" if most >= 0 else "the seed does not end")
            drawn = chance()
            call = ready.pop(0 if drawn < 0.5 else int((drawn - 0.5) * 2 * len(ready)))
            if call.gone:
                continue
            owner = call.owner
            if owner is None or (owner.alive and not owner.paused):
                call.room.run(call.do, *call.given)
            else:
                self._hold(owner, call)

    def _advance(self) -> None:
        """To the next instant at which something is to be done."""
        ready, timers = self._ready, self._timers
        while not ready:
            if not timers:
                raise Stuck("everybody waits, and nothing will come")
            self._now = max(self._now, timers[0][0])
            while timers and timers[0][0] <= self._now:
                call = heapq.heappop(timers)[3]
                if not call.gone:
                    ready.append(call)

    def _hold(self, owner: Process, call: Call) -> None:
        if not owner.held:
            self._holding.append(owner)
        owner.held.append(call)

    def _sweep(self) -> None:
        """End all tasks, those of killed processes too, so that nothing of this seed reaches into the next."""
        for process in self._holding:
            process.alive = True
            self.wake(process)
        for _ in range(50):
            left = [task for task in self._tasks if not task.done()]
            if not left:
                return
            for task in left:
                task.cancel()
            while self._ready:
                call = self._ready.pop(0)
                if not call.gone:
                    call.room.run(call.do, *call.given)
        raise Stuck(f"tasks do not end though they are cancelled: {left}")

    # --- what else asyncio asks of a loop

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._closed

    def is_closed(self) -> bool:
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.mishaps.append(f"{context.get('message')}: {context.get('exception')!r}")
