"""Random faults of ledger and bureau, random work, kills at random moments, in virtual time: what always holds in the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, cast

import pytest
from bench import SELLER, START, point
from pretend_bureau import PretendBureau

from kaipiao.authority.channel import Answer, ItemResult, ItemStatus, Outcome
from kaipiao.clock import ManualClock
from kaipiao.errors import KaipiaoError, LedgerFault, OutcomeUnknown
from kaipiao.invoice.lifecycle import FINAL_NEGATIVE, State
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import Ledger

HOUR = 3600.0
ORDERS = [f"A{n}" for n in range(40)]
WORDS = ("lost", "silent", "late", "busy", "refuse", "repeat", "retry", "fault", "garbage", "ok", "ok", "ok")


class Unsound:
    """A ledger any of whose operations may fail: not done; done and not told; in doubt and not done; in doubt and done later."""

    def __init__(self, sound: MemoryLedger, chance: random.Random) -> None:
        self.sound = sound
        self.chance = chance
        self.failing = True
        self.late: list[Callable[[], Awaitable[Any]]] = []

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.sound, name)

        async def call(*values: Any, **named: Any) -> Any:
            await asyncio.sleep(0)
            if self.late and self.chance.random() < 0.3:
                with contextlib.suppress(KaipiaoError):
                    await self.late.pop(0)()
            word = self.chance.random() if self.failing else 1.0
            if word < 0.03:
                raise LedgerFault()
            if word < 0.05:
                raise OutcomeUnknown()
            if word < 0.07 and name == "admit":
                self.late.append(lambda: operation(*values, **named))
                raise OutcomeUnknown()
            result = await operation(*values, **named)
            await asyncio.sleep(0)
            if word < 0.10:
                raise OutcomeUnknown()
            return result

        return call


class World:
    """One store, one bureau, one clock; a platform that is killed and started again; clients that remember their answers."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = ManualClock(START)
        self.store = MemoryStore()
        self.bureau = PretendBureau(self.clock)
        self.bureau.hide = self.chance.choice([0.0, 900.0, 20 * HOUR])
        self.answers: dict[str, str] = {}
        self.accepted: set[str] = set()  # acknowledged without a number
        self.cancelled: set[str] = set()
        self.starts = 0

    async def start(self) -> None:
        while True:
            self.starts += 1
            sound = MemoryLedger(
                f"run{self.starts}", lease_clock=lambda: self.clock.now().timestamp(), store=self.store
            )
            self.ledger = Unsound(sound, self.chance)
            policy = Policy(segment_size=60, block_size=10, block_low=4, commit_patience=0.02)
            with contextlib.suppress(KaipiaoError):
                ledger = cast(Ledger, self.ledger)
                self.p = await point(ledger, self.bureau, policy, clock=self.clock)
                await self.ledger.reclaim_blocks("n1")
                await self.p.uploader.recover()
                return

    async def kill(self) -> None:
        """Nothing of the process goes on, except commits that are on their way."""
        late = self.ledger.late
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.start()
        self.ledger.late += late

    async def ask_for(self, order: str) -> None:
        with contextlib.suppress(KaipiaoError):
            number = str((await self.p.issue(order)).record.number)
            assert self.answers.setdefault(order, number) == number

    async def leave(self, order: str) -> None:
        with contextlib.suppress(KaipiaoError):
            await self.p.accept(order)
            self.accepted.add(order)

    async def cancel(self, order: str) -> None:
        with contextlib.suppress(KaipiaoError):
            await self.p.issuer.cancel(SELLER, order)
            self.cancelled.add(order)

    async def regret(self, order: str) -> None:
        """Left to be numbered later, and cancelled a moment after."""
        await self.leave(order)
        for _ in range(self.chance.randrange(8)):
            await asyncio.sleep(0)
        await self.cancel(order)

    async def number_now(self, _order: str) -> None:
        with contextlib.suppress(KaipiaoError):
            await self.p.numberer.round()

    async def issue(self) -> None:
        """A client, or several at once, of one order: they issue it, leave it to be numbered later, cancel it."""
        order = self.chance.choice(ORDERS)
        words: list[Callable[[str], Coroutine[Any, Any, None]]]
        words = [
            self.chance.choice([self.ask_for, self.ask_for, self.leave]) for _ in range(self.chance.choice([1, 3]))
        ]
        if self.chance.random() < 0.3:
            words = [self.regret, self.chance.choice([self.number_now, self.leave, self.ask_for, self.cancel])]
        calls = [asyncio.create_task(word(order)) for word in words]
        if self.chance.random() < 0.3:
            for _ in range(self.chance.randrange(20)):
                await asyncio.sleep(0)
            calls.pop().cancel()  # a client goes away
        await asyncio.gather(*calls)

    async def turn(self, seconds: float) -> None:
        """Time goes on and each loop has its turn; like `Loop`, a turn that fails stops nothing."""
        p = self.p
        p.clock.advance(seconds)
        settler = p.settler
        for work in (lambda: p.shards.round(p.busy), p.numbers.renew, p.breakers.round, p.supply.round, p.uploader.recover, p.numberer.round, p.uploader.round,
                     settler.poll_round, settler.ask_round, settler.alarm_round):  # fmt: skip
            with contextlib.suppress(KaipiaoError):
                await work()

    def disturb(self) -> None:
        chance, bureau = self.chance, self.bureau
        bureau.script = [chance.choice(WORDS) for _ in range(chance.randrange(4))]
        bureau.down = chance.random() < 0.15
        numbers = [r.number for r in self.store.invoices.values() if r.number is not None]
        bureau.poisoned = {n for n in numbers if chance.random() < 0.05}
        bureau.unreadable = {n for n in numbers if chance.random() < 0.05}
        bureau.refusals = {n: "额度不足" for n in numbers if chance.random() < 0.05}
        bureau.poll_hook = chance.choice([None, None, _nothing, _strangers, _refused])

    async def calm(self) -> None:
        bureau = self.bureau
        self.ledger.failing = False
        bureau.script, bureau.refusals, bureau.down, bureau.poll_hook = [], {}, False, None
        bureau.poisoned, bureau.unreadable = set(), set()
        for _ in range(60):
            await self.turn(60)
        for _ in range(300):
            await self.turn(1200)
        while self.ledger.late:
            await self.ledger.late.pop()()

    async def judge(self) -> None:
        records = await self.ledger.sound.page(SELLER, limit=1000)
        by_order = {r.order: r for r in records}
        numbered = [r for r in records if r.number is not None]
        assert len(by_order) == len(records)
        assert len(numbered) == len({r.number for r in numbered})
        assert self.accepted | self.cancelled <= by_order.keys()  # acknowledged: never lost
        assert self.cancelled <= {r.order for r in records if r.state is State.CANCELLED}
        assert {r.order for r in records if r.number is None} == {
            r.order for r in records if r.state is State.CANCELLED
        }  # what was accepted has got its number, unless it was cancelled
        assert {o: by_order[o].number for o in self.answers} == self.answers  # acknowledged: never lost, never doubled
        held = set(self.bureau.held)
        assert {r.number for r in records if r.state is State.CONFIRMED} == held
        ends = {State.CONFIRMED, State.CANCELLED, *FINAL_NEGATIVE}
        assert {r.state for r in records} <= ends
        assert not held & {r.number for r in records if r.state in FINAL_NEGATIVE}
        assert await self.ledger.sound.open_uploads() == []
        assert await self.ledger.sound.check_counts() == []
        counts = await self.ledger.sound.number_counts(SELLER, "pretend", 2026)
        assert counts.pulled == counts.free + counts.leased + counts.used + counts.expired
        assert counts.used == len(numbered)
        assert counts.leased == self.p.numbers.left(SELLER, "pretend", 2026)


def _nothing(_items: list[ItemResult]) -> Answer[list[ItemResult]]:
    return Answer(Outcome.OK, [])


def _strangers(items: list[ItemResult]) -> Answer[list[ItemResult]]:
    return Answer(Outcome.OK, [ItemResult("26447000000000999999", ItemStatus.REJECTED) for _ in items])


def _refused(_items: list[ItemResult]) -> Answer[list[ItemResult]]:
    return Answer(Outcome.REJECTED, code="04")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seed", range(24))
def test_whatever_fails_and_whenever_it_is_killed_every_order_ends_once_and_truly(seed: int) -> None:
    async def story() -> None:
        world = World(seed)
        await world.start()
        for _ in range(120):
            word = world.chance.random()
            if word < 0.45:
                await world.issue()
            elif word < 0.83:
                await world.turn(world.chance.choice([1, 5, 30, 120, 700]))
            elif word < 0.85:
                await world.turn(15 * HOUR)  # over result windows and upload windows
            elif word < 0.95:
                world.disturb()
            else:
                await world.kill()
        await world.calm()
        await world.judge()
        assert len(world.answers) > 5

    asyncio.run(story())
