"""A number is free again exactly when its pair was surely not stored — whoever goes away, whatever fails meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bench import SELLER, START, Point, draft, point
from pretend_bureau import PretendBureau

from kaipiao.clock import ManualClock
from kaipiao.errors import (
    Internal,
    KaipiaoError,
    LedgerFault,
    NotQualified,
    NumbersExhausted,
    OrderConflict,
    OutcomeUnknown,
    QuotaExhausted,
)
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult, Block, InvoiceRecord


class Scripted(MemoryLedger):
    """Its next admissions and readings do what they are told, by functions; then it is a sound ledger."""

    def __init__(self, writer: str = "n1") -> None:
        super().__init__(writer, store=MemoryStore())
        self.admitting: list[Callable[[Sequence[Admission]], Any]] = []
        self.finding: list[KaipiaoError] = []
        self.late: list[Sequence[Admission]] = []

    async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        if self.admitting:
            said: list[AdmitResult] | None = self.admitting.pop(0)(admissions)
            if said is not None:
                return said
        return await super().admit(admissions)

    async def find(self, taxpayer: str, **what: Any) -> list[InvoiceRecord]:
        if self.finding:
            raise self.finding.pop(0)
        return await super().find(taxpayer, **what)

    def doubtful(self, admissions: Sequence[Admission]) -> None:
        """Sent, and it may arrive later."""
        self.late.append(admissions)
        raise OutcomeUnknown()


def raising(error: Exception) -> Callable[[Sequence[Admission]], None]:
    def act(_admissions: Sequence[Admission]) -> None:
        raise error

    return act


def _short(_admissions: Sequence[Admission]) -> list[AdmitResult]:
    return [AdmitResult(AdmitOutcome.QUOTA_SHORT)]


async def _all_unused_are_at_hand(p: Point) -> None:
    """Every number that this node has leased and not used is in its memory."""
    counts = await p.ledger.number_counts(SELLER, "pretend", 2026)
    assert counts.leased == p.numbers.left(SELLER, "pretend", 2026)
    assert counts.pulled == counts.free + counts.leased + counts.used + counts.expired


@pytest.mark.parametrize(
    "then",
    [raising(LedgerFault()), raising(OutcomeUnknown()), _short],
    ids=["ledger away", "in doubt again", "quota short for the copy"],
)
def test_once_in_doubt_a_number_is_not_freed_and_the_order_gets_its_true_answer(then: Callable[..., Any]) -> None:
    async def story() -> None:
        ledger = Scripted()
        p = await point(ledger)
        ledger.admitting = [ledger.doubtful, then]
        ledger.finding = [LedgerFault(), OutcomeUnknown()]
        first = await p.issue("A")
        second = await p.issue("B")
        await MemoryLedger.admit(ledger, ledger.late.pop())  # the first commit arrives after all
        assert first.record.number != second.record.number
        assert (await p.record("A")).number == first.record.number
        await _all_unused_are_at_hand(p)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (raising(Internal()), Internal),
        (raising(ValueError("a defect")), ValueError),
        (raising(LedgerFault()), LedgerFault),
        (_short, QuotaExhausted),
    ],
    ids=["defect", "unexpected", "ledger", "quota"],
)
def test_an_order_that_was_surely_not_stored_gives_its_number_back(act: Any, error: type[Exception]) -> None:
    async def story() -> None:
        ledger = Scripted()
        p = await point(ledger)
        await p.issue("before")
        ledger.admitting = [act]
        with pytest.raises(error):
            await p.issue("A")
        await _all_unused_are_at_hand(p)

    asyncio.run(story())


def test_a_caller_that_goes_away_at_any_moment_takes_no_number_along() -> None:
    """Cancelled after 0, 1, 2, … turns of the event loop, with a ledger that stores, or has no quota, after a while."""

    class Slow(MemoryLedger):
        async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return await super().admit(admissions)

        async def lease_block(self, *values: Any) -> Block | None:
            await asyncio.sleep(0)
            leased = await super().lease_block(*values)
            await asyncio.sleep(0)
            return leased

    async def story() -> None:
        for turns in range(14):
            for step in ("1000.00", "10.00"):
                policy = Policy(segment_size=40, block_size=5, block_low=2, quota_step=Decimal(step))
                p = await point(Slow("n1"), policy=policy)
                task = asyncio.create_task(p.issue("A", "100.00"))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                for _ in range(20):
                    await asyncio.sleep(0)
                await _all_unused_are_at_hand(p)

    asyncio.run(story())


def test_a_block_that_came_back_to_this_node_under_a_new_epoch_is_not_dropped_with_the_old_one() -> None:
    real = [0.0]

    async def story() -> None:
        policy = Policy(segment_size=10, block_size=10, block_low=3, lease_seconds=10)
        p = await point(MemoryLedger("n1", lease_clock=lambda: real[0], store=MemoryStore()), policy=policy)
        for n in range(6):
            await p.issue(f"A{n}")
        real[0] += 60.0  # a laptop that slept: the lease ran out
        p.bureau.down = True
        for n in range(4):
            await p.issue(f"B{n}")
        counts = await p.ledger.number_counts(SELLER, "pretend", 2026)
        assert (counts.used, counts.free + counts.leased) == (10, 0)
        with pytest.raises(NumbersExhausted):
            await p.issue("C")

    asyncio.run(story())


def test_one_order_in_two_forms_at_once_is_one_invoice_and_a_refusal() -> None:
    async def story() -> None:
        p = await point()
        wanted = [p.issue("A", amount) for amount in ("100.00", "200.00") * 10]
        answers = await asyncio.gather(*wanted, return_exceptions=True)
        issued = [a for a in answers if not isinstance(a, BaseException)]
        assert len({a.record.number for a in issued}) == 1
        assert len(issued) == 10
        assert sum(isinstance(a, OrderConflict) for a in answers) == 10
        await _all_unused_are_at_hand(p)

    asyncio.run(story())


def test_a_replay_while_the_first_commit_is_still_in_doubt_gets_the_same_number() -> None:
    async def story() -> None:
        ledger = Scripted()
        p = await point(ledger)
        ledger.admitting = [ledger.doubtful, ledger.doubtful, ledger.doubtful]
        answers = await asyncio.gather(*(p.issue("A") for _ in range(5)))
        while ledger.late:
            await MemoryLedger.admit(ledger, ledger.late.pop())
        assert len({a.record.number for a in answers}) == 1
        assert (await p.record("A")).number == answers[0].record.number

    asyncio.run(story())


def test_a_moment_of_a_wrong_clock_in_which_nothing_was_issued_does_not_stop_issuing() -> None:
    async def story() -> None:
        p = await point()
        await p.issue("A")
        p.clock.advance(86400 * 3)
        with pytest.raises(KaipiaoError):
            await p.issuer.issue(draft("B", "9000000000000.00"))  # more than the quota
        p.clock.advance(-86400 * 3)
        await p.issue("C")

    asyncio.run(story())


@pytest.mark.parametrize(
    "edge", [datetime(2026, 11, 30, 16, tzinfo=UTC), datetime(2026, 12, 31, 16, tzinfo=UTC)], ids=["month", "year"]
)
def test_made_before_midnight_and_stored_after_it_number_quota_and_month_are_those_of_made_at(edge: datetime) -> None:
    """Or it is made anew after midnight, when the old year's numbers are already over."""

    async def story() -> None:
        clock = ManualClock(edge)
        clock.advance(-600)
        ledger = Scripted()
        p = await point(ledger, clock=clock)

        def midnight(_admissions: Sequence[Admission]) -> None:
            clock.advance(60)

        clock.advance(599)
        ledger.admitting = [midnight]
        record = (await p.issue("A")).record
        assert record.made_at < edge < clock.now()
        assert record.month == f"{edge.year}-{edge.month:02d}"
        assert str(record.number)[:2] == "26"
        for month, spent in ((record.month, "100.00"), ("2026-12" if edge.month == 11 else "2027-01", "0")):
            assert (await ledger.quota(SELLER, "pretend", month)).issued == Decimal(spent)
        await p.supply.round()
        fresh = (await p.issue("B")).record
        assert str(fresh.number)[:2] == str(fresh.made_at.astimezone(UTC).year + (edge.month == 12))[2:]

    asyncio.run(story())


def test_quota_of_another_month_is_not_booked_as_this_ones() -> None:
    async def story() -> None:
        clock = ManualClock(datetime(2026, 11, 30, 16, 0, 10, tzinfo=UTC))  # December in Shanghai
        bureau = PretendBureau(clock, quota_month="2026-11")  # further behind than the guard knows
        p = await point(bureau=bureau, clock=clock)
        with pytest.raises(QuotaExhausted):
            await p.issue("A")
        bureau.quota_month = None
        clock.advance(10)
        await p.supply.round()
        assert (await p.issue("A")).record.month == "2026-12"

    asyncio.run(story())


def test_a_taxpayer_that_may_issue_again_is_noticed_within_minutes() -> None:
    async def story() -> None:
        clock = ManualClock(START)
        bureau = PretendBureau(clock, may_issue=False)
        p = await point(bureau=bureau, clock=clock)
        with pytest.raises(NotQualified):
            await p.issue("A")
        bureau.may_issue = True
        clock.advance(601)
        await p.supply.round()
        await p.issue("A")

    asyncio.run(story())


def test_a_lost_answer_to_a_pull_is_asked_again_by_its_serial_and_nothing_is_pulled_twice() -> None:
    async def story() -> None:
        clock = ManualClock(START)
        bureau = PretendBureau(clock, lose_numbers=2)
        p = await point(bureau=bureau, clock=clock, policy=Policy(segment_size=50))
        for _ in range(4):
            clock.advance(10)
            await p.supply.round()
        counts = await p.ledger.number_counts(SELLER, "pretend", 2026)
        assert counts.pulled == 50
        assert len(bureau.serials) == 1

    asyncio.run(story())


def test_a_block_that_is_leased_again_after_its_lease_was_over_leaves_nothing_of_the_earlier_one_at_hand() -> None:
    """Numbers of the earlier epoch stayed in memory beside the same ones of the new: each would have been fenced."""

    async def story() -> None:
        seconds = [1000.0]
        ledger = MemoryLedger("n1", lambda: seconds[0], store=MemoryStore())
        p = await point(ledger, policy=Policy(segment_size=10, block_size=10, block_low=5))
        for n in range(5):
            await p.issue(f"A{n}")
        seconds[0] += 61
        taken = await p.numbers.take(SELLER, "pretend", 2026)  # few are left: the next block is its own of before
        await asyncio.sleep(0.01)
        p.numbers.give_back(SELLER, "pretend", 2026, taken)  # whoever wanted it went away
        await _all_unused_are_at_hand(p)
        for n in range(5, 10):
            await p.issue(f"A{n}")

    asyncio.run(story())
