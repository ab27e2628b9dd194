"""One world: a store, a bureau, one to three nodes, callers, and what befalls them; then peace, and the verdict."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import fields
from functools import partial
from typing import Any

from kaipiao.errors import KaipiaoError
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.memory import MemoryLedger
from kaipiao_lab.simulation.bureau import Bureau
from kaipiao_lab.simulation.clients import Clients
from kaipiao_lab.simulation.judge import Judge, WatchedStore
from kaipiao_lab.simulation.ledger_faults import Unsound, Weather
from kaipiao_lab.simulation.ledger_watch import LedgerWatch
from kaipiao_lab.simulation.line import CHANNEL, Line
from kaipiao_lab.simulation.loop import VirtualLoop
from kaipiao_lab.simulation.node import Plant, plant
from kaipiao_lab.simulation.plan import STARTS, Phase, Plan
from kaipiao_lab.simulation.processes import Process
from kaipiao_lab.simulation.recording import Recording
from kaipiao_lab.simulation.sales import SELLERS
from kaipiao_lab.simulation.story import Broken, Story
from kaipiao_lab.simulation.times import LoopClock, NodeClock, WorldTime
from kaipiao_lab.simulation.verdict import verdict
from kaipiao_lab.simulation.watch import Watch
from kaipiao_lab.simulation.wire_weather import WireWeather

GRAIN = (0.6, 1.6)
DOUBT_GRAIN = (0.02, 0.6)
ENDS = frozenset({State.CONFIRMED, State.CANCELLED, State.REJECTED, State.EXPIRED, State.REPLACED, State.CONFLICT})
PEACE_SPEED = 18_000.0
LONGEST_PEACE = 120.0  # machine's seconds
JUMPS = (-7200.0, -600.0, -30.0, -0.5, 0.5, 30.0, 200.0)  # the settle time is longer than the forward ones


class World:
    def __init__(self, plan: Plan, loop: VirtualLoop, recording: Recording | None = None) -> None:
        self.plan = plan
        self.loop = loop
        self.chance = random.Random(f"world {plan.seed}")  # noqa: S311 — repeatable, no secret
        self.time = WorldTime(loop, STARTS[plan.start])
        self.story = Story(lambda: (loop.time(), self.time.seconds()))
        self.store = WatchedStore()
        self.judge = Judge(plan.rules, self.store)
        policy = plan.policy
        self.ledger_watch = LedgerWatch(
            self.store, self.judge.breaks, loop.time, self.time.now, policy.shard_seconds, policy.abandoned_seconds
        )
        self.bureau = Bureau(plan.rules, self.time.now, self.story.tell)
        self.sellers = SELLERS[: plan.sellers]
        self.ledger_weather, self.wire_weather = Weather(), WireWeather()
        self.plants: dict[str, Plant] = {}
        self.clocks = {f"n{n + 1}": NodeClock(self.time) for n in range(plan.nodes)}
        self.runs = dict.fromkeys(self.clocks, 0)
        self.clients = Clients(self.judge, self.story, self.chance, self.nodes)
        self.recording = recording
        self.watch = Watch(self)
        self._callers: list[asyncio.Task[None]] = []
        self._orders = 0
        if recording is not None:
            recording.clock = loop.time

    def nodes(self) -> list[Plant]:
        """Those that can be called."""
        return [p for p in self.plants.values() if p.process.alive and not p.process.paused]

    async def live(self) -> None:
        """The whole story. Raises `Broken`."""
        watching = asyncio.create_task(self.watch.look_on())
        await asyncio.gather(*(self._start(name) for name in self.clocks))
        for phase in self.plan.phases:
            await self._phase(phase)
        await self._peace()
        watching.cancel()
        await self._no_number_is_forgotten()
        await self._close()
        self.bureau.finish()
        self.check()
        await verdict(self)
        self.story.over = True

    def check(self) -> None:
        if self.judge.broken:
            raise self.judge.broken[0]
        for number, what in self.bureau.breaches:
            raise Broken("the bureau is sent only what it granted", what, number)

    # --- nodes

    def _make(self, name: str) -> Plant:
        self.runs[name] += 1
        run, clock = self.runs[name], self.clocks[name]
        process = Process(f"{name}.{run}")
        sound = MemoryLedger(process.name, lease_clock=self.loop.time, store=self.store)
        unsound = Unsound(sound, self.ledger_weather, self.chance, self.story, self.recording, self.ledger_watch)
        line = Line(
            self.bureau, self.plan.capabilities, self.wire_weather, self.chance, self.story, process.name,
            self.judge, clock, self.ledger_watch.calls,
        )  # fmt: skip
        pauses = LoopClock(clock, self.chance, self.time, GRAIN)
        doubts = LoopClock(clock, self.chance, self.time, DOUBT_GRAIN)
        return plant(process, run, unsound, line, clock, pauses, doubts, self.sellers, self.plan.policy, self.chance)

    async def _start(self, name: str) -> None:
        """A start that fails is tried again, as whoever watches over processes does."""
        while True:
            made = self._make(name)
            task = made.process.spawn(made.node.start())
            try:
                await task
            except KaipiaoError as error:
                self.story.tell(f"{made.process.name} could not start: {error.code}")
                made.process.alive = False
                await asyncio.sleep(self.chance.uniform(0.2, 2.0))
                continue
            self.plants[name] = made
            self.watch.began(name)
            self.story.tell(f"{made.process.name} started")
            return

    async def _kill(self) -> None:
        name = self.chance.choice(list(self.clocks))
        await asyncio.sleep(0)
        victim = self.plants.get(name)
        if victim is None or not victim.process.alive:
            return
        self.story.counts["kills"] += 1
        self.story.tell(f"kill {victim.process.name}")
        victim.process.alive = False
        await asyncio.sleep(self.chance.choice([0.2, 1.0, 12.0]) * self.chance.uniform(1, 1.5))
        await self._start(name)

    async def _pause(self) -> None:
        nodes = self.nodes()
        if not nodes:
            return
        victim = self.chance.choice(nodes)
        self.story.counts["faults"] += 1
        self.story.tell(f"pause {victim.process.name}")
        victim.process.paused = True
        longest = min(15.0, 18 * 3600.0 / self.time.speed)
        await asyncio.sleep(self.chance.uniform(0.05, longest))
        self._wake(victim)

    def _wake(self, victim: Plant) -> None:
        if victim.process.paused:
            self.story.tell(f"wake {victim.process.name}")
            self.watch.began(victim.node.name)
            self.loop.wake(victim.process)

    async def _jump(self) -> None:
        clock = self.clocks[self.chance.choice(list(self.clocks))]
        skew = self.chance.choice(JUMPS)
        self.story.counts["faults"] += 1
        self.story.tell(f"a clock jumps by {skew} s")
        clock.skew = skew
        self.judge.clocks_jumped()
        await asyncio.sleep(self.chance.uniform(0.2, 6.0))
        clock.skew = 0.0
        self.judge.clocks_jumped()

    async def _stop_and_start(self) -> None:
        nodes = self.nodes()
        if not nodes:
            return
        one = self.chance.choice(nodes)
        self.story.tell(f"stop {one.process.name}")
        del self.plants[one.node.name]
        await self._stop(one)
        await self._start(one.node.name)

    async def _stop(self, one: Plant) -> None:
        try:
            await one.process.spawn(one.node.stop())
        except KaipiaoError as error:
            self.story.tell(f"{one.process.name} stopped with {error.code}")
        one.process.alive = False

    # --- phases

    async def _phase(self, phase: Phase) -> None:
        self.story.tell(f"phase {phase.name} for {phase.seconds} s at {phase.speed:.0f}")
        self._set(phase.ledger, phase.wire)
        self.time.run_at(phase.speed)
        self.bureau.paused_quota = phase.no_quota
        self.bureau.standing = {self.sellers[0]: "fxnsrlx=01"} if phase.no_standing else {}
        begun: list[asyncio.Task[None]] = []
        for _ in range(phase.orders):
            self._callers.append(self._some_time(phase, self._serve()))
        for work, times in (
            (self._kill, phase.kills), (self._pause, phase.pauses), (self._jump, phase.jumps),
            (self._stop_and_start, phase.stops),
        ):  # fmt: skip
            begun += [self._some_time(phase, work()) for _ in range(times)]
        await asyncio.sleep(phase.seconds)
        for one in self.plants.values():
            self._wake(one)
        self.check()
        await asyncio.gather(*begun)
        self.bureau.refusals.clear()
        self.check()

    def _some_time(self, phase: Phase, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Early in the phase, so that what it meets is met by many."""
        delay = self.chance.random() * phase.seconds * 0.8

        async def later() -> None:
            await asyncio.sleep(delay)
            await work

        return asyncio.create_task(later())

    async def _serve(self) -> None:
        self._orders += 1
        seller = self.chance.choice(self.sellers)
        await self.clients.serve(seller, f"{self.sellers.index(seller)}-{self._orders}")

    def _set(self, ledger: Weather, wire: WireWeather) -> None:
        for weather, shape in ((self.ledger_weather, ledger), (self.wire_weather, wire)):
            for field in fields(shape):
                setattr(weather, field.name, getattr(shape, field.name))

    async def _peace(self) -> None:
        """Nothing fails any more: every caller gets its answer, every order its end."""
        self.story.tell("peace")
        self._set(Weather(), WireWeather())
        self.bureau.refusals, self.bureau.standing, self.bureau.paused_quota = {}, {}, False
        self.time.run_at(60.0)
        await asyncio.sleep(8.0)
        self.clients.last_told = self.has_little_quota()
        self.time.run_at(PEACE_SPEED)
        began = self.loop.time()
        while not self._is_over():
            self.check()
            if self.loop.time() > began + LONGEST_PEACE:
                raise self._not_over()
            await asyncio.sleep(1.0)
        await asyncio.gather(*self._callers)

    def has_little_quota(self) -> bool:
        return self.plan.rules.quota_total < 100_000

    def _is_over(self) -> bool:
        if not all(caller.done() for caller in self._callers):
            return False
        ends = ENDS | {State.ACCEPTED} if self.has_little_quota() else ENDS
        return not any(keys for state, keys in self.store.by_state.items() if state not in ends)

    def _not_over(self) -> Broken:
        for state, keys in self.store.by_state.items():
            if state not in ENDS and keys:
                order = self.store.invoices[next(iter(keys))].order
                return Broken("every order comes to its end", f"{order} is still {state}", order)
        order, error = next(iter(self.clients.open.items()), ("?", "?"))
        return Broken("every caller gets an answer", f"{order} was last told {error}", order)

    async def _no_number_is_forgotten(self) -> None:
        """What the ledger says is leased is in the memory of a node, number by number."""
        if self.has_little_quota():  # a commit in doubt may wait for quota with its number in hand
            return
        ledger = MemoryLedger("judge", lease_clock=self.loop.time, store=self.store)
        for seller in self.sellers:
            for year in (2026, 2027):
                leased = (await ledger.number_counts(seller, CHANNEL, year)).leased
                left = sum(one.numbers.left(seller, CHANNEL, year) for one in self.nodes())
                if leased != left:
                    raise Broken("no number is forgotten", f"{seller} {year}: {leased} leased, {left} in memory")

    async def _close(self) -> None:
        self.time.run_at(1.0)
        await asyncio.gather(*map(partial(self._stop), self.nodes()))
