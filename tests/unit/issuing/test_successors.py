"""Final negatives and their successors (R4, R14): the shipped code with a pretend bureau."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from bench import SELLER, Point, draft, point
from pretend_bureau import PretendBureau

from kaipiao.authority.channel import Answer, UploadItem
from kaipiao.clock import ManualClock
from kaipiao.errors import NotFound, OrderConflict, OrderNotReplaceable, OutcomeUnknown
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.questions import Questions
from kaipiao.issuing.successor import Replacement, Successors
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import Admission, AdmitResult, InvoiceRecord

HOUR, DAY = 3600.0, 86400.0


def successors(p: Point) -> Successors:
    paces = {p.bureau.name: Pace(p.clock, 1000.0)}
    questions = Questions({p.bureau.name: p.bureau}, paces, p.clock)
    return Successors(p.ledger, p.issuer, questions, p.clock)


def tell(story: Callable[[Point], Awaitable[None]]) -> None:
    async def run() -> None:
        await story(await point())

    asyncio.run(run())


async def refused(p: Point, order: str = "A", amount: str = "100.00") -> str:
    """The number of an invoice that was refused at once."""
    issued = await p.issue(order, amount)
    number = issued.record.number or ""
    p.bureau.refusals[number] = "额度不足"
    await p.run(60, every=10)
    assert await p.state(order) is State.REJECTED
    return number


async def expired(p: Point, order: str = "A") -> str:
    """The number of an invoice that missed its 48 hours."""
    number = (await p.issue(order)).record.number or ""
    p.bureau.down = True
    await p.run(49 * HOUR, every=HOUR)
    p.bureau.down = False
    await p.run(2 * DAY, every=HOUR)
    assert await p.state(order) is State.EXPIRED
    await p.supply.round()
    return number


async def by_number(p: Point, number: str) -> InvoiceRecord:
    (found,) = await p.ledger.find(SELLER, numbers=[number])
    return found


def test_a_refused_invoice_gets_a_successor_which_is_the_one_live_invoice_of_the_order() -> None:
    async def story(p: Point) -> None:
        number = await refused(p)
        done = await successors(p).replace(SELLER, number)
        new = done.issued.record
        assert (done.predecessor.number, done.predecessor.state) == (number, State.REPLACED)
        assert new.number not in (None, number)
        assert new.order == "A"
        assert new.replaces == done.predecessor.id
        assert new.made_at > done.predecessor.made_at
        assert done.issued.document.invoice != b""
        await p.run(120, every=10)
        assert await p.state("A") is State.CONFIRMED
        assert set(p.bureau.held) == {new.number}
        kinds = [e.kind for e in await p.ledger.events(taxpayer=SELLER, subject="A")]
        assert kinds.index("rejected") < kinds.index("state.replaced") < kinds.index("confirmed")

    tell(story)


def test_the_same_call_again_gives_the_same_answer_also_when_the_successor_was_replaced_too() -> None:
    async def story(p: Point) -> None:
        number = await refused(p)
        first = await successors(p).replace(SELLER, number)
        again = await successors(p).replace(SELLER, number)
        assert again.issued.record == first.issued.record
        assert again.issued.document == first.issued.document
        assert (first.issued.replayed, again.issued.replayed) == (False, True)
        second = first.issued.record.number or ""
        p.bureau.refusals[second] = "额度不足"
        await p.run(60, every=10)
        third = await successors(p).replace(SELLER, second)
        assert (await successors(p).replace(SELLER, number)).issued.record.number == second
        assert (await p.record("A")).number == third.issued.record.number

    tell(story)


def test_a_corrected_successor_has_the_corrected_content_and_takes_its_own_quota() -> None:
    async def story(p: Point) -> None:
        number = await refused(p, amount="300.00")
        month = (await p.record("A")).month
        before = (await p.ledger.quota(SELLER, "pretend", month)).issued
        done = await successors(p).replace(SELLER, number, draft("A", "120.00"))
        after = (await p.ledger.quota(SELLER, "pretend", month)).issued
        assert done.issued.record.amount == 120
        assert before - after == 180
        with pytest.raises(OrderConflict):  # it was replaced by that, and by nothing else
            await successors(p).replace(SELLER, number, draft("A", "99.00"))
        with pytest.raises(OrderConflict):
            await successors(p).replace(SELLER, number, draft("B", "120.00"))

    tell(story)


def test_what_may_still_be_held_or_arrive_has_no_successor() -> None:
    async def story(p: Point) -> None:
        number = (await p.issue("A")).record.number or ""
        for seconds in (0, 2, 20):
            await p.step(seconds)
            with pytest.raises(OrderNotReplaceable):
                await successors(p).replace(SELLER, number)
        assert await p.state("A") is State.CONFIRMED
        with pytest.raises(NotFound):
            await successors(p).replace(SELLER, "26447999999999999999")

    tell(story)


def test_an_early_negative_is_none() -> None:
    """Refused after a doubt: believed, and replaceable, only after two denials past the visibility time."""

    async def story(p: Point) -> None:
        p.bureau.script = ["lost", "refuse"]
        number = (await p.issue("A")).record.number or ""
        early = []
        for _ in range(22):
            await p.run(HOUR, every=600)
            with pytest.raises(OrderNotReplaceable):
                await successors(p).replace(SELLER, number)
            early.append(await p.state("A"))
        assert set(early) == {State.UNKNOWN}
        await p.run(4 * HOUR, every=600)
        record = await p.record("A")
        assert (record.state, record.late_denials) == (State.REJECTED, 2)
        await successors(p).replace(SELLER, number)

    tell(story)


def test_a_refusal_is_doubted_when_the_bureau_holds_the_number_and_nothing_is_replaced() -> None:
    async def story(p: Point) -> None:
        number = await refused(p)
        record = await by_number(p, number)
        p.bureau.held[number], p.bureau.shown_from[number] = b"x" * 32, record.made_at
        with pytest.raises(OrderNotReplaceable) as refusal:
            await successors(p).replace(SELLER, number)
        assert "持有" in refusal.value.detail.zh
        await p.run(60, every=10)
        assert await p.state("A") is State.CONFLICT

    tell(story)


def test_while_the_bureau_cannot_be_asked_a_refusal_has_no_successor_and_stays_what_it_is() -> None:
    async def story(p: Point) -> None:
        number = await refused(p)
        p.bureau.down = True
        with pytest.raises(OrderNotReplaceable):
            await successors(p).replace(SELLER, number)
        assert await p.state("A") is State.REJECTED

    tell(story)


def test_an_expired_invoice_gets_its_successor_without_asking() -> None:
    async def story(p: Point) -> None:
        number = await expired(p)
        asked = len(p.bureau.asked)
        done = await successors(p).replace(SELLER, number)
        assert len(p.bureau.asked) == asked
        await p.run(120, every=10)
        assert set(p.bureau.held) == {done.issued.record.number}

    tell(story)


def test_an_order_sent_again_gets_its_successor_and_a_corrected_one_is_named_as_such() -> None:
    async def story(p: Point) -> None:
        number = await refused(p)
        done = await successors(p).replace(SELLER, number)
        again = await p.issue("A")
        assert again.record.number == done.issued.record.number
        other = await refused(p, "B")
        corrected = await successors(p).replace(SELLER, other, draft("B", "120.00"))
        with pytest.raises(OrderConflict) as conflict:
            await p.issue("B")
        assert conflict.value.facts["number"] == corrected.issued.record.number

    tell(story)


def test_two_nodes_that_replace_at_once_give_one_successor_and_one_answer() -> None:
    async def story() -> None:
        store, clock = MemoryStore(), ManualClock((await point()).clock.now())
        bureau = PretendBureau(clock)
        one, two = [
            await point(MemoryLedger(node, store=store), bureau, node=node, clock=clock) for node in ("n1", "n2")
        ]
        number = await refused(one)
        both = await asyncio.gather(
            successors(one).replace(SELLER, number), successors(two).replace(SELLER, number), return_exceptions=True
        )
        told = {r.issued.record.number for r in both if isinstance(r, Replacement)}
        assert [r for r in both if not isinstance(r, Replacement)] == []
        assert told == {(await one.record("A")).number}
        await one.run(120, every=10)
        assert set(bureau.held) == told

    asyncio.run(story())


@dataclass
class Sleeper(PretendBureau):
    """Its next upload sleeps before its first byte, until it is woken."""

    def __post_init__(self) -> None:
        self.woken = asyncio.Event()
        self.sleeps = True

    async def upload(self, taxpayer: str, items: Sequence[UploadItem], wire_id: str) -> Answer[str]:
        if self.sleeps:
            self.sleeps = False
            await self.woken.wait()
        return await super().upload(taxpayer, items, wire_id)


async def asleep(p: Point, bureau: Sleeper) -> tuple[str, asyncio.Task[int]]:
    """An invoice whose sender sleeps on a node that is relieved, and which goes on without it."""
    number = (await p.issue("A")).record.number or ""
    p.clock.advance(2)
    sender = asyncio.create_task(p.uploader.round())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not bureau.sleeps
    return number, sender


def test_while_a_sender_may_only_sleep_a_refusal_has_no_successor_and_a_late_copy_is_evidence() -> None:
    async def story() -> None:
        first = await point()
        store, clock = MemoryStore(), first.clock
        bureau = Sleeper(clock)
        slow = await point(MemoryLedger("n1", store=store), bureau, node="n1", clock=clock)
        number, sender = await asleep(slow, bureau)
        await slow.shards._ledger.release_shards("n1")  # it is taken for dead
        quick = await point(MemoryLedger("n2", store=store), bureau, node="n2", clock=clock)
        bureau.refusals[number] = "额度不足"
        clock.advance(1000)
        await quick.uploader.recover()
        assert await quick.state("A") is State.UNKNOWN
        await quick.run(30 * HOUR, every=600)
        assert await quick.state("A") is State.REJECTED
        with pytest.raises(OrderNotReplaceable) as refusal:
            await successors(quick).replace(SELLER, number)
        assert "睡" in refusal.value.detail.zh
        with pytest.raises(OrderNotReplaceable):  # the ledger itself says no
            await quick.issuer.succeed(await quick.record("A"))
        del bureau.refusals[number]
        bureau.woken.set()
        await sender
        assert number in bureau.held
        assert await quick.state("A") is State.UNKNOWN  # not forgotten: it is asked for
        await quick.run(2 * HOUR, every=600)
        assert await quick.state("A") is State.CONFIRMED

    asyncio.run(story())


def test_a_copy_that_arrives_after_its_invoice_was_replaced_is_told_to_a_person() -> None:
    async def story() -> None:
        first = await point()
        store, clock = MemoryStore(), first.clock
        bureau = Sleeper(clock)
        slow = await point(MemoryLedger("n1", store=store), bureau, node="n1", clock=clock)
        number, sender = await asleep(slow, bureau)
        await slow.shards._ledger.release_shards("n1")
        quick = await point(MemoryLedger("n2", store=store), bureau, node="n2", clock=clock)
        clock.advance(1000)
        await quick.uploader.recover()
        bureau.down = True
        await quick.run(49 * HOUR, every=HOUR)
        bureau.down = False
        await quick.run(2 * DAY, every=HOUR)
        assert await quick.state("A") is State.EXPIRED
        await quick.supply.round()
        done = await successors(quick).replace(SELLER, number)
        bureau.woken.set()  # and a bureau that takes it although its time is over
        await sender
        old = await by_number(quick, number)
        assert (old.state, old.problem_code) == (State.REPLACED, "KP-REPLACED-ALIVE")
        assert (await quick.record("A")).number == done.issued.record.number
        kinds = [e.kind for e in await quick.ledger.events(taxpayer=SELLER, subject="A")]
        assert "replaced.sent" in kinds

    asyncio.run(story())


def test_a_late_answer_of_a_sender_that_others_went_on_without_starts_the_denials_anew() -> None:
    async def story() -> None:
        first = await point()
        store, clock = MemoryStore(), first.clock
        bureau = Sleeper(clock)
        slow = await point(MemoryLedger("n1", store=store), bureau, node="n1", clock=clock)
        number, sender = await asleep(slow, bureau)
        await slow.shards._ledger.release_shards("n1")
        quick = await point(MemoryLedger("n2", store=store), bureau, node="n2", clock=clock)
        clock.advance(1000)
        await quick.uploader.recover()
        await quick.run(650, every=10)
        before = await by_number(quick, number)
        assert (before.state, before.denials) == (State.UNKNOWN, 1)
        bureau.script = ["late"]
        bureau.woken.set()
        await sender
        after = await by_number(quick, number)
        assert (after.state, after.denials, after.sent_at) == (State.UNKNOWN, 0, clock.now())
        assert after.next_at is not None
        assert after.next_at - clock.now() == timedelta(seconds=600)

    asyncio.run(story())


class Torn(MemoryLedger):
    """Its commits of successors come back without saying whether they were stored: once stored, once not."""

    fates: list[str]

    async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        fate = self.fates.pop(0) if self.fates and admissions[0].replaces is not None else "ok"
        if fate != "lost":
            results = await super().admit(admissions)
        if fate != "ok":
            raise OutcomeUnknown()
        return results


@pytest.mark.parametrize("fates", [["lost"], ["stored"], ["lost", "lost", "stored"]])
def test_a_killed_commit_of_a_successor_is_read_again_and_never_gives_a_second_one(fates: list[str]) -> None:
    async def story() -> None:
        ledger = Torn("n1")
        ledger.fates = []
        p = await point(ledger)
        number = await refused(p)
        used = len(ledger.store.numbers)
        ledger.fates = fates
        done = await successors(p).replace(SELLER, number)
        assert len(ledger.store.numbers) == used + 1
        assert (await p.record("A")).number == done.issued.record.number
        await p.run(120, every=10)
        assert set(p.bureau.held) == {done.issued.record.number}

    asyncio.run(story())


def test_the_predecessor_is_never_sent_again_whatever_happens_after() -> None:
    async def story(p: Point) -> None:
        number = await refused(p)
        await successors(p).replace(SELLER, number)
        sent = [n for batch in p.bureau.uploads for n in batch].count(number)
        p.bureau.script = ["lost", "late", "repeat", "silent"]
        await p.run(3 * DAY, every=HOUR)
        assert [n for batch in p.bureau.uploads for n in batch].count(number) == sent
        assert (await by_number(p, number)).state is State.REPLACED
        old = await by_number(p, number)
        assert old == replace(old, next_at=None)

    tell(story)
