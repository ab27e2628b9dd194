"""A ledger any of whose operations may fail: not done; done and not told; in doubt and not done; in doubt and done later."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from kaipiao.errors import KaipiaoError, LedgerFault, OutcomeUnknown
from kaipiao.ledger.memory import MemoryLedger
from kaipiao_lab.simulation.ledger_watch import LedgerWatch
from kaipiao_lab.simulation.ledger_words import WRITES, told
from kaipiao_lab.simulation.processes import WORLD
from kaipiao_lab.simulation.recording import Recording
from kaipiao_lab.simulation.story import Story

Operation = Callable[..., Awaitable[Any]]


LOOKS = frozenset({"due_pairs", "due", "alarming", "accepted_taxpayers"})  # with which a loop begins


class Injected(Exception):
    """A defect beneath a loop, which the loop must outlive."""


@dataclass(slots=True)
class Weather:
    """How often an operation of the ledger fails, in each way, and how long one takes (machine's seconds)."""

    fault: float = 0.0
    doubt: float = 0.0  # of these a third was done, a third is done later, a third never
    away: bool = False  # nothing is done
    slow: float = 0.0  # how often an operation takes its time
    longest: float = 0.2


class Unsound:
    """Each node's handle on the common store, with the weather of the moment. Calls that were sent outlive their sender."""

    def __init__(
        self,
        sound: MemoryLedger,
        weather: Weather,
        chance: random.Random,
        story: Story,
        recording: Recording | None,
        watch: LedgerWatch,
    ) -> None:
        self.sound = sound
        self._watch = watch
        self._weather = weather
        self._chance = chance.random
        self._story = story
        self._recording = recording

    def __getattr__(self, name: str) -> Any:
        """Made on first use, then an attribute like any other."""
        operation = getattr(self.sound, name)
        if self._recording is not None:
            operation = self._recording.of(self.sound, name, operation)
        call = self._writing(name, operation) if name in WRITES else self._reading(name, operation)
        setattr(self, name, call)
        return call

    def _reading(self, name: str, operation: Operation) -> Operation:
        async def read(*values: Any, **named: Any) -> Any:
            await self._pause()
            weather = self._weather
            if weather.away or (weather.fault and self._chance() < weather.fault):
                self._fault(name, "not read")
                raise LedgerFault()
            if name in LOOKS and weather.fault and self._chance() < weather.fault / 5:
                self._fault(name, "a defect")
                raise Injected(name)
            result = await operation(*values, **named)
            await self._pause()
            return result

        return read

    def _writing(self, name: str, operation: Operation) -> Operation:
        async def write(*values: Any, **named: Any) -> Any:
            await self._pause()
            weather = self._weather
            word = self._chance() if weather.fault or weather.doubt else 1.0
            if weather.away or word < weather.fault:
                self._fault(name, "not done")
                raise LedgerFault()
            doubt = word < weather.fault + weather.doubt
            if doubt and (kind := self._chance()) < 0.67:
                if kind < 0.33:
                    self._later(name, operation, values, named)
                self._fault(name, "in doubt, later" if kind < 0.33 else "in doubt, never")
                raise OutcomeUnknown()
            self._watch.doing(self.sound.writer, name, values)
            result = await operation(*values, **named)
            self._watch.done(self.sound.writer, name, values, result)
            self._story.tell(told(name, values, result))
            await self._pause()
            if doubt:
                self._fault(name, "in doubt, done")
                raise OutcomeUnknown()
            return result

        return write

    async def _pause(self) -> None:
        if self._weather.slow and self._chance() < self._weather.slow:
            await asyncio.sleep(self._chance() * self._weather.longest)
        elif self._chance() < 0.6:
            await asyncio.sleep(0)

    def _fault(self, name: str, how: str) -> None:
        self._story.counts["faults"] += 1
        self._story.tell(f"ledger {name} {how}")

    def _later(self, name: str, operation: Operation, values: tuple[Any, ...], named: dict[str, Any]) -> None:
        """It is on its way, whatever becomes of the one who sent it."""

        async def arrive() -> None:
            try:
                self._watch.doing(self.sound.writer, name, values)
                result = await operation(*values, **named)
                self._watch.done(self.sound.writer, name, values, result)
            except KaipiaoError as error:
                self._story.tell(f"ledger {name} came late and was refused: {error.code}")
            else:
                self._story.tell(f"late: {told(name, values, result)}")

        def begin() -> None:
            asyncio.get_running_loop().create_task(arrive())

        delay = self._chance() * 3.0
        asyncio.get_running_loop().call_later(delay, begin, context=WORLD)
