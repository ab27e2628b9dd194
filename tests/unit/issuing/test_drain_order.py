"""The drain after an outage (R11): the oldest deadline first, FIFO inside a taxpayer, paced, and nobody is kept waiting."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from bench import START, point
from pretend_bureau import PretendBureau

from kaipiao.clock import ManualClock
from kaipiao.invoice.taxpayer import with_check_digit
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.slots import Slots

MANY = [with_check_digit(f"91440300MA5{place:06d}"[:17]) for place in range(40)]


def test_a_place_that_becomes_free_goes_to_the_most_urgent() -> None:
    async def story() -> None:
        slots, served, held = Slots(1), [], asyncio.Event()

        async def work(name: str) -> None:
            async with slots.place(name):
                served.append(name)
                await held.wait()

        slots.rank(["a", "b", "c", "d"])
        first = asyncio.create_task(work("x"))
        await asyncio.sleep(0)
        others = [asyncio.create_task(work(name)) for name in ("d", "stranger", "b", "c")]
        await asyncio.sleep(0)
        slots.rank(["c", "b", "d"])
        held.set()
        await asyncio.gather(first, *others)
        assert served == ["x", "c", "b", "d", "stranger"]

    asyncio.run(story())


def test_a_place_is_never_lost_whoever_is_cut_and_when() -> None:
    async def story() -> None:
        for cut_after in range(12):
            slots = Slots(2)

            async def work(name: int, slots: Slots = slots) -> None:
                async with slots.place(name):
                    await asyncio.sleep(0)

            tasks = [asyncio.create_task(work(name)) for name in range(6)]
            for _ in range(cut_after):
                await asyncio.sleep(0)
            for task in tasks[1::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            async with asyncio.timeout(5), slots.place("a"), slots.place("b"):
                pass

    asyncio.run(story())


class Slow(PretendBureau):
    """Writes down in which order uploads came."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.came: list[tuple[str, list[str]]] = []

    async def upload(self, taxpayer, items, wire_id):  # type: ignore[no-untyped-def]
        self.came.append((taxpayer, [item.number for item in items]))
        await asyncio.sleep(0)
        return await super().upload(taxpayer, items, wire_id)


def test_one_with_much_debt_and_many_with_little_all_drain_the_oldest_first_and_fifo() -> None:
    async def story() -> None:
        clock = ManualClock(START)
        bureau = Slow(clock)
        policy = Policy(uploads_at_once=2)
        p = await point(bureau=bureau, clock=clock, policy=policy, sellers=MANY)
        big, small = MANY[0], MANY[1:]
        numbers: dict[str, list[str]] = {}
        for place, seller in enumerate(reversed(small)):
            clock.advance(60)
            numbers[seller] = [(await p.issue(f"s-{place}", by=seller)).record.number or ""]
        clock.advance(60)
        numbers[big] = [(await p.issue(f"b-{n}", by=big)).record.number or "" for n in range(450)]
        for _ in range(200):
            await p.uploader.round()
            clock.advance(0.5)
        arrived: dict[str, list[str]] = {}
        for taxpayer, some in bureau.came:
            arrived.setdefault(taxpayer, []).extend(some)
        assert arrived == numbers
        firsts = [taxpayer for taxpayer, _ in bureau.came if taxpayer != big]
        assert firsts == list(reversed(small))

    asyncio.run(story())
