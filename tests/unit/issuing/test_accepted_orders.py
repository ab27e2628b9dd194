"""Orders that are stored first and numbered later: accepted, numbered, cancelled — each at most once, none forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from bench import OTHER, SELLER, Point, draft, point

from kaipiao.clock import ManualClock
from kaipiao.errors import (
    ChannelCannotCarry,
    Internal,
    LedgerFault,
    NotFound,
    NotQualified,
    NumbersExhausted,
    OrderCancelled,
    OrderConflict,
    OrderNotCancellable,
    OutcomeUnknown,
    QuotaExhausted,
    RulesBroken,
    Stopping,
)
from kaipiao.invoice.lifecycle import State
from kaipiao.invoice.model import Element
from kaipiao.issuing.node import Node
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import Admission, AdmitResult, Advance, Standing

MINUTE = 60.0


class Doubtful(MemoryLedger):
    """Its next admissions are in doubt: `late` ones are not done yet, the others are done and not told."""

    def __init__(self, writer: str = "n1", store: MemoryStore | None = None) -> None:
        super().__init__(writer, store=store or MemoryStore())
        self.word: str | None = None
        self.late: list[Sequence[Admission]] = []
        self.sent: list[Admission] = []

    async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        self.sent += admissions
        word, self.word = self.word, None
        if word == "late":
            self.late.append(admissions)
            raise OutcomeUnknown()
        results = await super().admit(admissions)
        if word == "done":
            raise OutcomeUnknown()
        return results

    async def arrive(self) -> list[AdmitResult]:
        return await MemoryLedger.admit(self, self.late.pop())


async def _numbers_add_up(p: Point, used: int) -> None:
    counts = await p.ledger.number_counts(SELLER, "pretend", 2026)
    assert counts.used == used
    assert counts.leased == p.numbers.left(SELLER, "pretend", 2026)


# --- accept -----------------------------------------------------------------------------------------------------------


def test_an_accepted_order_has_no_number_and_is_numbered_by_the_loop_at_that_instant() -> None:
    async def story() -> None:
        p = await point()
        record = await p.accept("A", "100.00")
        assert (record.state, record.number, str(record.amount), str(record.tax)) == (
            State.ACCEPTED, None, "100.00", "6.00",
        )  # fmt: skip
        assert await p.uploader.round() == 0
        p.clock.advance(40 * 86400)  # another month
        await p.supply.round()
        assert await p.numberer.round() == 1
        issued = await p.record("A")
        assert (issued.id, issued.state, issued.made_at) == (record.id, State.ISSUED, p.clock.now())
        assert (issued.month, issued.number is not None) == ("2026-12", True)
        assert (await p.ledger.quota(SELLER, "pretend", "2026-12")).issued == 100
        (document,) = (await p.ledger.documents(SELLER, [issued.id])).values()
        assert (issued.number or "").encode() in document.xml
        kinds = [e.kind for e in await p.ledger.events(taxpayer=SELLER, subject="A")]
        assert kinds == ["accepted", "numbered"]
        await p.run(20 * MINUTE)
        assert await p.state("A") is State.CONFIRMED

    asyncio.run(story())


def test_accepting_again_stores_nothing_and_shows_the_order_as_it_stands() -> None:
    async def story() -> None:
        p = await point()
        first = await p.accept("A")
        assert await p.accept("A") == first
        with pytest.raises(OrderConflict) as refused:
            await p.accept("A", "100.01")
        assert refused.value.facts["fields"] == ["lines[0].amount"]
        await p.numberer.round()
        assert await p.accept("A") == await p.record("A")
        issued = await p.issue("B")
        assert await p.accept("B") == issued.record
        assert len(await p.ledger.page(SELLER)) == 2

    asyncio.run(story())


def test_what_may_not_be_issued_is_not_accepted_either_but_a_known_order_is_still_shown() -> None:
    async def story() -> None:
        p = await point()
        known = await p.accept("known")
        line = replace(draft("A").lines[0], tax_code="9999999999999999999")
        with pytest.raises(RulesBroken):
            await p.issuer.accept(replace(draft("A"), lines=(line,)))
        with pytest.raises(ChannelCannotCarry):
            await p.issuer.accept(replace(draft("A"), special=(Element("x", "y"),)))
        with pytest.raises(NotFound):
            await p.accept("A", by=OTHER)
        p.supply._standings[SELLER] = Standing("risk", p.clock.now())
        with pytest.raises(NotQualified):
            await p.accept("A")
        assert await p.accept("known") == known
        p.supply._standings.clear()
        p.issuer.stopping = True
        with pytest.raises(Stopping):
            await p.accept("A")
        assert [r.order for r in await p.ledger.page(SELLER)] == ["known"]

    asyncio.run(story())


def test_an_acceptance_in_doubt_is_read_again_and_stored_once() -> None:
    async def story() -> None:
        for word in ("late", "done"):
            ledger = Doubtful()
            p = await point(ledger)
            ledger.word = word
            record = await p.accept("A")
            if word == "late":
                await ledger.arrive()
            assert await p.ledger.page(SELLER) == [record]
            assert [e.kind for e in await p.ledger.events(taxpayer=SELLER, subject="A")] == ["accepted"]

    asyncio.run(story())


def test_orders_are_accepted_while_numbers_and_quota_are_short_and_numbered_when_they_are_back() -> None:
    async def story() -> None:
        p = await point(policy=Policy(segment_size=2, block_size=2, block_low=0))
        for n in range(5):
            await p.accept(f"A{n}")
            p.clock.advance(1)
        assert await p.numberer.round() == 2
        assert [await p.state(f"A{n}") for n in (0, 1, 4)] == [State.ISSUED, State.ISSUED, State.ACCEPTED]
        for _ in range(40):
            p.clock.advance(10)
            await p.supply.round()
            await p.numberer.round()
        assert {await p.state(f"A{n}") for n in range(5)} == {State.ISSUED}

    asyncio.run(story())


def test_a_synchronous_call_numbers_an_accepted_order_now() -> None:
    async def story() -> None:
        p = await point()
        accepted = await p.accept("A")
        issued = await p.issue("A")
        assert (issued.record.id, issued.record.state, issued.replayed) == (accepted.id, State.ISSUED, False)
        again = await p.issue("A")
        assert (again.replayed, again.record, again.document) == (True, issued.record, issued.document)
        with pytest.raises(OrderConflict):
            await p.issue("A", "7.00")
        assert await p.numberer.round() == 0
        await _numbers_add_up(p, used=1)

    asyncio.run(story())


def test_a_synchronous_call_that_cannot_number_an_accepted_order_says_why_and_leaves_it_waiting() -> None:
    async def story() -> None:
        p = await point(policy=Policy(segment_size=1, block_size=1, block_low=0))
        await p.issue("first")
        await p.accept("A")
        with pytest.raises(NumbersExhausted):
            await p.issue("A")
        await p.accept("large", "90000000.00")
        await p.supply.round()
        p.clock.advance(5)
        await p.supply.round()
        with pytest.raises(QuotaExhausted):
            await p.issue("large", "90000000.00")
        assert await p.state("A") is await p.state("large") is State.ACCEPTED

    asyncio.run(story())


def test_many_callers_and_the_loop_give_one_order_one_number() -> None:
    async def story() -> None:
        p = await point()
        calls: list[Any] = []
        for n in range(20):
            calls += [p.accept(f"A{n}"), p.issue(f"A{n}"), p.numberer.round(), p.issue(f"A{n}"), p.accept(f"A{n}")]
        await asyncio.gather(*calls)
        records = await p.ledger.page(SELLER)
        assert len(records) == len({r.number for r in records}) == 20
        await _numbers_add_up(p, used=20)

    asyncio.run(story())


# --- numbering in doubt ---------------------------------------------------------------------------------------------


def test_a_numbering_in_doubt_is_sent_again_under_the_same_number() -> None:
    async def story() -> None:
        for word in ("late", "done"):
            ledger = Doubtful()
            p = await point(ledger)
            accepted = await p.accept("A")
            ledger.word = word
            record = await p.issuer.number(accepted)
            other = await p.issue("B")
            if word == "late":
                (late,) = await ledger.arrive()
                assert late.record == record
                first, again = (a for a in ledger.sent if a.id == accepted.id and a.number is not None)
                assert again is first
            assert record.number != other.record.number
            assert await p.record("A") == record
            await _numbers_add_up(p, used=2)

    asyncio.run(story())


def test_while_a_numbering_in_doubt_has_not_arrived_its_number_is_nobody_elses() -> None:
    async def story() -> None:
        ledger = Doubtful()
        p = await point(ledger)
        accepted = await p.accept("A")
        ledger.word = "late"
        record = await p.issuer.number(accepted)
        (result,) = await ledger.arrive()
        assert (result.record or accepted).number == record.number
        numbers = {(await p.issue(f"B{n}")).record.number for n in range(30)}
        assert record.number not in numbers

    asyncio.run(story())


def test_an_order_that_another_node_numbered_meanwhile_gets_that_number_and_ours_is_free_again() -> None:
    async def story() -> None:
        store, clock = MemoryStore(), ManualClock((await point()).clock.now())
        ledger = Doubtful("n1", store)
        p = await point(ledger, clock=clock)
        other = await point(MemoryLedger("n2", store=store), bureau=p.bureau, clock=clock, node="n2")
        accepted = await p.accept("A")
        ledger.word = "late"
        ours = asyncio.create_task(p.issuer.number(accepted))
        await asyncio.sleep(0)
        theirs = await other.issuer.number(accepted)
        assert (await ours).number == theirs.number == (await p.record("A")).number
        late = await ledger.arrive() if ledger.late else []
        assert all(result.record is not None and result.record.number == theirs.number for result in late)
        counts = await p.ledger.number_counts(SELLER, "pretend", 2026)
        assert counts.used == 1
        assert counts.leased == sum(node.numbers.left(SELLER, "pretend", 2026) for node in (p, other))

    asyncio.run(story())


# --- the loop -------------------------------------------------------------------------------------------------------


def test_the_oldest_are_numbered_first_and_every_taxpayer_has_its_turn() -> None:
    async def story() -> None:
        p = await point(policy=Policy(numbering_batch=3, numbering_at_once=1), sellers=(SELLER, OTHER))
        for n in range(7):
            await p.accept(f"A{n}")
            p.clock.advance(0.001)
        await p.accept("B", by=OTHER)
        assert await p.numberer.round() == 4
        assert [await p.state(f"A{n}") for n in range(4)] == [*[State.ISSUED] * 3, State.ACCEPTED]
        assert await p.state("B", by=OTHER) is State.ISSUED
        assert [await p.numberer.round() for _ in range(3)] == [3, 1, 0]

    asyncio.run(story())


def test_numbering_gives_way_to_a_crowd_and_goes_on_when_it_is_gone() -> None:
    async def run() -> None:
        policy = Policy(numbering_batch=1, numbering_share=1e-9)  # after a batch it rests as good as for ever
        p = await point(policy=policy, patience=0.2)
        for n in range(3):
            await p.accept(f"A{n}")
        p.issuer.callers = policy.numbering_crowd
        assert [await p.numberer.round() for _ in range(2)] == [1, 0]
        p.issuer.callers -= 1
        assert [await p.numberer.round() for _ in range(2)] == [1, 1]

    asyncio.run(run())


def test_numbering_goes_on_however_long_a_crowd_stays() -> None:
    async def run() -> None:
        policy = Policy(numbering_batch=1, numbering_share=0.5)
        p = await point(policy=policy, patience=2.0)
        for n in range(3):
            await p.accept(f"A{n}")
        p.issuer.callers = policy.numbering_crowd
        assert [await p.numberer.round() for _ in range(3)] == [1, 1, 1]

    asyncio.run(run())


def test_a_batch_that_a_slow_ledger_held_up_makes_numbering_rest_no_longer_than_is_allowed() -> None:
    """A ledger that stood still for minutes made accepted orders wait for hours, while there was a crowd."""

    async def run() -> None:
        policy = Policy(numbering_batch=1, numbering_share=1e-9, numbering_rest=0.05)
        p = await point(policy=policy, patience=2.0)
        for n in range(3):
            await p.accept(f"A{n}")
        p.issuer.callers = policy.numbering_crowd
        assert [await p.numberer.round() for _ in range(3)] == [1, 1, 1]

    asyncio.run(run())


def test_a_taxpayer_that_lacks_something_is_held_back_alone_and_longer_each_time() -> None:
    async def story() -> None:
        p = await point(sellers=(SELLER, OTHER))
        p.supply._standings[SELLER] = Standing("risk", p.clock.now())
        asked: list[float] = []
        number = p.issuer.number

        async def counted(accepted: Any) -> Any:
            asked.append(p.clock.now().timestamp())
            return await number(accepted)

        p.issuer.number = counted  # type: ignore[method-assign]
        p.supply._standings.clear()
        await p.accept("A")
        p.supply._standings[SELLER] = Standing("risk", p.clock.now())
        for n in range(60):
            await p.accept(f"B{n}", by=OTHER)
            p.clock.advance(1)
            assert await p.numberer.round() == 1
        assert len(asked) - 60 == 5  # at 1, 3, 7, 15, 31 s
        p.supply._standings.clear()
        p.clock.advance(300)
        assert await p.numberer.round() == 1
        assert await p.state("A") is State.ISSUED

    asyncio.run(story())


def test_an_order_that_is_refused_now_shows_why_harms_no_other_and_is_tried_again() -> None:
    async def story() -> None:
        p = await point(policy=Policy(numbering_batch=2))
        for order in ("bad1", "bad2", "good"):
            await p.accept(order)
            p.clock.advance(1)
        check = p.issuer.check

        def strict(draft: Any) -> None:
            if draft.order == "bad1":
                raise RulesBroken(findings=[])
            if draft.order == "bad2":
                raise ValueError("a defect")
            check(draft)

        p.issuer.check = strict  # type: ignore[method-assign]
        await p.numberer.round()
        await p.numberer.round()
        bad = [await p.record(order) for order in ("bad1", "bad2")]
        assert [(r.state, r.problem_code) for r in bad] == [
            (State.ACCEPTED, "KP-RULE-00"), (State.ACCEPTED, "KP-INTERNAL-01"),
        ]  # fmt: skip
        assert [r.problem for r in bad] == [RulesBroken.title.both, Internal.title.both]
        assert await p.state("good") is State.ISSUED
        assert (await p.ledger.events(taxpayer=SELLER, subject="bad1"))[-1].kind == "numbering.refused"
        p.issuer.check = check  # type: ignore[method-assign]
        assert await p.numberer.round() == 0
        p.clock.advance(3601)
        assert await p.numberer.round() == 2
        assert (await p.record("bad1")).problem_code is None

    asyncio.run(story())


def test_a_node_numbers_what_was_accepted_before_it_started() -> None:
    async def story() -> None:
        store, clock = MemoryStore(), ManualClock((await point()).clock.now())
        before = await point(MemoryLedger("n1", store=store), clock=clock)
        await before.accept("A")
        p = await point(MemoryLedger("n1", store=store), bureau=before.bureau, clock=clock)
        node = Node("n1", p.ledger, p.issuer, p.numbers, p.shards, p.uploader, p.settler, p.supply, clock, p.policy)
        await node.start()
        for _ in range(200):
            await asyncio.sleep(0)
        assert (await p.record("A")).number is not None
        await node.stop()

    asyncio.run(story())


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_a_cancelled_order_is_never_numbered_and_its_key_stays_taken() -> None:
    async def story() -> None:
        p = await point()
        accepted = await p.accept("A")
        cancelled = await p.issuer.cancel(SELLER, "A")
        assert (cancelled.state, cancelled.number, cancelled.id) == (State.CANCELLED, None, accepted.id)
        assert await p.issuer.cancel(SELLER, "A") == cancelled
        for again in (p.accept, p.issue):
            with pytest.raises(OrderCancelled):
                await again("A")
            with pytest.raises(OrderConflict):
                await again("A", "7.00")
        with pytest.raises(OrderCancelled):
            await p.issuer.number(accepted)
        await p.run(MINUTE)
        assert await p.record("A") == cancelled
        assert [e.kind for e in await p.ledger.events(taxpayer=SELLER, subject="A")] == ["accepted", "cancelled"]
        await _numbers_add_up(p, used=0)

    asyncio.run(story())


def test_what_has_a_number_is_not_cancelled_and_the_refusal_names_it() -> None:
    async def story() -> None:
        p = await point()
        issued = await p.issue("A")
        with pytest.raises(OrderNotCancellable) as refused:
            await p.issuer.cancel(SELLER, "A")
        assert refused.value.facts == {"number": issued.record.number, "state": "issued"}
        await p.run(20 * MINUTE)
        with pytest.raises(OrderNotCancellable):
            await p.issuer.cancel(SELLER, "A")
        with pytest.raises(NotFound):
            await p.issuer.cancel(SELLER, "B")
        with pytest.raises(NotFound):
            await p.issuer.cancel(OTHER, "A")

    asyncio.run(story())


def test_a_cancellation_that_comes_too_late_says_so() -> None:
    """Between looking and cancelling, the order was numbered."""

    class Overtaken(MemoryLedger):
        before: Any = None

        async def advance(self, advances: Sequence[Advance]) -> list[bool]:
            if self.before is not None:
                before, self.before = self.before, None
                await before()
            return await super().advance(advances)

    async def story() -> None:
        ledger = Overtaken("n1", store=MemoryStore())
        p = await point(ledger)
        await p.accept("A")
        ledger.before = p.numberer.round
        with pytest.raises(OrderNotCancellable):
            await p.issuer.cancel(SELLER, "A")
        assert await p.state("A") is State.ISSUED

    asyncio.run(story())


def test_a_cancellation_in_doubt_is_told_as_such_and_asking_again_gives_the_truth() -> None:
    class Unsure(MemoryLedger):
        words: tuple[str, ...] = ("away", "done")

        async def advance(self, advances: Sequence[Advance]) -> list[bool]:
            word, *rest = [*self.words, ""]
            self.words = tuple(rest[:-1])
            if word == "away":
                raise LedgerFault()
            done = await super().advance(advances)
            if word == "done":
                raise OutcomeUnknown()
            return done

    async def story() -> None:
        p = await point(Unsure("n1", store=MemoryStore()))
        await p.accept("A")
        with pytest.raises(LedgerFault):
            await p.issuer.cancel(SELLER, "A")
        assert await p.state("A") is State.ACCEPTED
        with pytest.raises(OutcomeUnknown):
            await p.issuer.cancel(SELLER, "A")
        assert (await p.issuer.cancel(SELLER, "A")).state is State.CANCELLED

    asyncio.run(story())


def test_an_order_is_stamped_no_earlier_than_it_was_accepted() -> None:
    async def story() -> None:
        p = await point()
        accepted = await p.accept("A")
        p.clock.advance(-0.5)
        assert (await p.issuer.number(accepted)).made_at == accepted.made_at
        assert (await p.issue("B")).record.made_at >= accepted.made_at

    asyncio.run(story())
