"""How long who waits for what: fairness between taxpayers, failed asks, a far side that is back."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from bench import OTHER, SELLER, START, Point, point
from pretend_bureau import PretendBureau

from kaipiao.authority.channel import Answer, Held, Outcome, Phase, Timeline
from kaipiao.clock import ManualClock
from kaipiao.errors import LedgerFault
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.wire import upload_item

HOUR = 3600.0
ZERO = Decimal(0)


class Deaf(PretendBureau):
    """Asked, it answers what the test says; polls are counted."""

    said: Callable[[str], Answer[Any]] | None = None
    polled: Counter[str]

    async def ask(self, taxpayer: str, number: str, *values: Any) -> Answer[Any]:
        if self.said is not None:
            self.asked.append((self.clock.now(), number))
            return self.said(taxpayer)
        return await super().ask(taxpayer, number, *values)

    async def poll(self, taxpayer: str, submission: str) -> Answer[Any]:
        self.polled[submission] += 1
        return await super().poll(taxpayer, submission)


async def deaf_point(policy: Policy | None = None, **more: Any) -> tuple[Point, Deaf]:
    clock = ManualClock(START)
    bureau = Deaf(clock)
    bureau.polled = Counter()
    return await point(bureau=bureau, clock=clock, policy=policy, **more), bureau


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def made_unknown(p: Point, *orders: str, by: str = SELLER) -> None:
    p.bureau.script = ["silent"] * len(orders)
    for order in orders:
        await p.issue(order, by=by)
    p.clock.advance(2)
    await p.uploader.round()
    p.bureau.script = []


def test_asks_that_fail_are_repeated_less_and_less_often_and_told_once_for_each_cause() -> None:
    async def story() -> None:
        p, bureau = await deaf_point()
        await made_unknown(p, "A")
        bureau.said = lambda _: Answer(Outcome.AMBIGUOUS, code="wait.timeout2")
        await p.run(2 * HOUR, every=5)
        asked = [at for at, _ in bureau.asked]
        pauses = [(later - at).total_seconds() for at, later in itertools.pairwise(asked)]
        assert pauses[:3] == [60, 120, 240]
        assert set(pauses[3:]) == {300}
        bureau.said = lambda _: Answer(Outcome.RETRY, code="500")
        await p.run(HOUR, every=5)
        told = [e.data["code"] for e in await p.ledger.events(subject="A", limit=10_000) if e.kind == "ask.failed"]
        assert told == ["wait.timeout2", "500"]
        bureau.said = None
        await p.run(400, every=5)
        assert await p.state("A") is State.CONFIRMED

    run(story)


def test_a_failed_ask_waits_as_long_as_the_bureau_said() -> None:
    async def story() -> None:
        p, bureau = await deaf_point()
        await made_unknown(p, "A")
        bureau.said = lambda _: Answer(Outcome.NOT_ACCEPTED, code="429", retry_after=1000.0)
        await p.run(2100, every=5)
        assert len(bureau.asked) == 2

    run(story)


def test_a_taxpayer_with_hundreds_of_unknowns_that_cannot_be_asked_delays_no_other() -> None:
    async def story() -> None:
        policy = Policy(settle_batch=20, settle_most=40)
        p, bureau = await deaf_point(policy, sellers=(SELLER, OTHER))
        await made_unknown(p, *(f"A{n}" for n in range(300)))
        await p.run(60, every=2)
        await made_unknown(p, "B", by=OTHER)
        bureau.said = lambda _: Answer(Outcome.AMBIGUOUS, code="wait.timeout")
        await p.run(540, every=10)  # the three hundred are due, the one is not yet
        bureau.said = None
        bureau.hanging = {("ask", SELLER)}
        p.settler._policy = p.settler._asks._policy = replace(policy, errand_patience=0.01)
        await p.run(120, every=10)
        assert await p.state("B", by=OTHER) is State.CONFIRMED
        await p.settler.close(0.01)

    run(story)


def test_a_submission_of_which_a_part_was_read_is_not_polled_twice() -> None:
    async def story() -> None:
        p, bureau = await deaf_point(Policy(settle_batch=150))
        for n in range(200):
            await p.issue(f"A{n}")
        p.clock.advance(2)
        while await p.uploader.round():
            pass
        p.clock.advance(11)
        while await p.settler.poll_round():
            pass
        assert bureau.polled == {"sub0": 1, "sub1": 1}
        assert await p.ledger.state_counts(SELLER) == {State.CONFIRMED: 200}

    run(story)


@pytest.mark.parametrize("waits_for", ["result", "answer"])
def test_while_the_bureau_cannot_be_reached_nothing_is_written_about_polls_and_asks(waits_for: str) -> None:
    async def story() -> None:
        p, bureau = await deaf_point()
        if waits_for == "answer":
            await made_unknown(p, "A")
        else:
            await p.issue("A")
            await p.step(2)
        bureau.down = True
        before = await p.ledger.last_position()
        await p.run(HOUR, every=2)
        assert [e.kind for e in await p.ledger.events(after=before)] == ["breaker.opened"]
        assert sum(bureau.polled.values()) <= HOUR / 5
        bureau.down = False
        await p.run(15, every=1)
        assert await p.state("A") is State.CONFIRMED

    run(story)


def test_one_taxpayers_device_that_sends_nothing_on_is_no_far_side_that_cannot_be_reached() -> None:
    async def story() -> None:
        p, bureau = await deaf_point(sellers=(SELLER, OTHER))
        await made_unknown(p, "A")
        await made_unknown(p, "B", by=OTHER)
        line = Timeline(Phase.ANSWER, (), 99, False, None)
        nothing: Answer[Any] = Answer(Outcome.NOT_SENT, code="F009", timeline=line)
        held = bureau.content_digest
        (document,) = (await p.ledger.documents(OTHER, [(await p.record("B", by=OTHER)).id])).values()
        our_digest = held(upload_item(await p.record("B", by=OTHER), document))
        bureau.said = lambda taxpayer: nothing if taxpayer == SELLER else Answer(Outcome.OK, Held("", our_digest, ZERO))
        await p.run(660, every=2)
        assert await p.state("B", by=OTHER) is State.CONFIRMED
        mine = (await p.record("A")).number
        assert 1 <= sum(number == mine for _, number in bureau.asked) <= 2  # doubling from a minute

    run(story)


def test_a_result_that_stays_out_beyond_its_time_is_a_doubt_even_while_the_bureau_cannot_be_reached() -> None:
    async def story() -> None:
        p, bureau = await deaf_point()
        await p.issue("S")
        await p.step(2)
        bureau.down = True
        await p.run(13 * HOUR, every=60)
        assert await p.state("S") is State.UNKNOWN

    run(story)


def test_stock_is_fetched_within_seconds_after_an_outage_of_hours() -> None:
    async def story() -> None:
        p, bureau = await deaf_point(Policy(segment_size=4, block_size=4, block_low=0))
        bureau.down = True
        for n in range(4):
            await p.issue(f"A{n}")
        for _ in range(1800):
            p.clock.advance(2)
            await p.breakers.round()
            await p.supply.round()
        bureau.down = False
        for _ in range(7):
            p.clock.advance(2)
            await p.breakers.round()
            await p.supply.round()
        await p.issue("B")

    run(story)


def test_a_far_side_that_takes_nothing_in_is_tried_with_single_invoices_and_all_go_when_one_is_taken() -> None:
    async def story() -> None:
        p, bureau = await deaf_point()
        for n in range(30):
            await p.issue(f"A{n}")
        bureau.script = ["retry"] * 10_000
        await p.run(600, every=1)
        left = len(bureau.script)
        assert 20 <= 10_000 - left <= 80  # at most one in ten seconds
        begun = await p.ledger.events(limit=10_000)
        assert sum(e.kind == "upload.begun" for e in begun) <= 30 + 80
        bureau.script = []
        await p.run(60, every=1)
        assert sorted(map(len, bureau.uploads))[-1] > 20
        assert set(await p.ledger.state_counts(SELLER)) <= {State.SUBMITTED, State.CONFIRMED}

    run(story)


def test_an_errand_that_failed_for_long_is_tried_again_within_a_minute() -> None:
    async def story() -> None:
        clock = ManualClock(START)
        errands = Errands("x", clock, Policy())
        tried: list[float] = []

        async def fail() -> int:
            tried.append(clock.now().timestamp())
            raise LedgerFault()

        for _ in range(1000):
            errands.start(("t",), fail)
            await errands.wait()
            clock.advance(1)
        pauses = [later - at for at, later in itertools.pairwise(tried)]
        assert pauses[:5] == [2, 4, 8, 16, 32]
        assert set(pauses[5:]) == {60}

    run(story)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
