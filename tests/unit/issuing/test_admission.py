"""Rules R1, R2, R7 on the shipped code: one order, one number, one answer — whatever the ledger and the clock do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bench import SELLER, START, draft, point

from kaipiao.clock import ManualClock, year_of
from kaipiao.errors import (
    ChannelCannotCarry,
    ClockUnsound,
    LedgerFault,
    NotFound,
    NotQualified,
    NumbersExhausted,
    OrderConflict,
    OutcomeUnknown,
    QuotaExhausted,
    QuotaNotValid,
    RulesBroken,
    Stopping,
)
from kaipiao.invoice.model import Element
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import Admission, AdmitResult


def test_the_same_order_and_content_gets_the_same_answer_for_ever() -> None:
    async def story() -> None:
        p = await point()
        first = await p.issue("A")
        await p.run(600)
        again = await p.issue("A")
        assert not first.replayed
        assert again.replayed
        assert again.record.number == first.record.number
        assert again.document == first.document

    asyncio.run(story())


def test_the_same_order_with_other_content_is_refused_and_names_the_fields() -> None:
    async def story() -> None:
        p = await point()
        await p.issue("A", "100.00")
        with pytest.raises(OrderConflict) as refused:
            await p.issue("A", "100.01")
        assert refused.value.facts["fields"] == ["lines[0].amount"]

    asyncio.run(story())


def test_an_order_that_was_issued_is_answered_even_when_nothing_more_can_be_issued() -> None:
    async def story() -> None:
        p = await point()
        first = await p.issue("A")
        p.issuer.stopping = True
        assert (await p.issue("A")).record.number == first.record.number
        with pytest.raises(Stopping):
            await p.issue("B")

    asyncio.run(story())


def test_many_callers_with_one_order_get_one_number() -> None:
    async def story() -> None:
        p = await point()
        answers = await asyncio.gather(*(p.issue("A") for _ in range(30)))
        assert len({a.record.number for a in answers}) == 1
        assert sum(not a.replayed for a in answers) == 1
        counts = await p.ledger.number_counts(SELLER, "pretend", 2026)
        assert counts.used == 1
        assert counts.pulled == counts.free + counts.leased + counts.used + counts.expired

    asyncio.run(story())


def test_numbers_run_out_with_a_clear_refusal_and_nothing_stored() -> None:
    async def story() -> None:
        p = await point(policy=Policy(segment_size=5, block_size=2))
        p.bureau.down = True
        for n in range(5):
            await p.issue(f"A{n}")
        with pytest.raises(NumbersExhausted):
            await p.issue("B")
        assert await p.ledger.find(SELLER, orders=["B"]) == []
        p.bureau.down = False
        p.clock.advance(5)
        await p.supply.round()
        assert (await p.issue("B")).record.number

    asyncio.run(story())


def test_the_quota_is_never_overdrawn_and_a_refused_order_takes_no_number() -> None:
    async def story() -> None:
        p = await point(policy=Policy(quota_step=Decimal("1000.00")))
        p.bureau.down = True
        results = await asyncio.gather(*(p.issue(f"A{n}", "300.00") for n in range(5)), return_exceptions=True)
        assert sum(isinstance(r, QuotaExhausted) for r in results) == 2
        account = await p.ledger.quota(SELLER, "pretend", "2026-11")
        assert account.left == Decimal("100.00")
        assert (await p.ledger.number_counts(SELLER, "pretend", 2026)).used == 3

    asyncio.run(story())


def test_a_clock_set_back_stops_issuing_and_a_tremor_does_not() -> None:
    async def story() -> None:
        p = await point()
        first = await p.issue("A")
        p.clock.advance(-0.5)
        assert (await p.issue("B")).record.made_at == first.record.made_at
        p.clock.advance(-3600)
        with pytest.raises(ClockUnsound):
            await p.issue("C")
        p.clock.advance(3700)
        await p.issue("C")

    asyncio.run(story())


def test_a_clock_set_back_over_a_restart_is_noticed_too() -> None:
    async def story() -> None:
        store = MemoryStore()
        p = await point(MemoryLedger("n1", store=store))
        await p.issue("A")
        earlier = ManualClock(datetime(2026, 11, 3, 1, 0, tzinfo=UTC))
        again = await point(MemoryLedger("n1", store=store), clock=earlier)
        with pytest.raises(ClockUnsound):
            await again.issue("B")

    asyncio.run(story())


def test_at_new_year_the_numbers_of_the_old_year_expire_and_new_ones_are_used() -> None:
    async def story() -> None:
        p = await point()
        old = await p.issue("A")
        to_new_year = (datetime(2026, 12, 31, 16, 0, 1, tzinfo=UTC) - START).total_seconds()
        p.clock.advance(to_new_year)  # 2027 in Shanghai, 2026 in UTC
        assert year_of(p.clock.now()) == 2027
        p.bureau.next_number = 500000
        p.bureau.clock = ManualClock(datetime(2027, 1, 1, tzinfo=UTC))
        await p.supply.round()
        with pytest.raises(NumbersExhausted):  # the two clocks may not agree on the year yet
            await p.issue("B")
        p.clock.advance(6)
        await p.supply.round()
        new = await p.issue("B")
        assert str(old.record.number).startswith("26")
        assert str(new.record.number).startswith("27")
        counts = await p.ledger.number_counts(SELLER, "pretend", 2026)
        assert counts.free == counts.leased == 0
        assert counts.pulled == counts.used + counts.expired

    asyncio.run(story())


def test_a_taxpayer_that_may_not_issue_is_refused_by_the_field_that_forbids_it() -> None:
    async def story() -> None:
        p = await point()
        p.bureau.may_issue = False
        p.clock.advance(90000)
        await p.supply.round()
        with pytest.raises(NotQualified) as refused:
            await p.issue("A")
        assert refused.value.facts["reason"] == "fxnsrlx=01"

    asyncio.run(story())


def test_rules_are_checked_before_anything_is_taken() -> None:
    async def story() -> None:
        p = await point()
        with pytest.raises(RulesBroken):
            await p.issuer.issue(draft("A", lines=()))
        with pytest.raises(NotFound):
            await p.issuer.issue(draft("A", seller_tax_number="91440300MA5EXMPL99"))
        assert (await p.ledger.number_counts(SELLER, "pretend", 2026)).used == 0

    asyncio.run(story())


def test_what_the_channel_could_never_upload_is_refused_before_a_number_is_spent() -> None:
    async def story() -> None:
        p = await point()
        with pytest.raises(ChannelCannotCarry):
            await p.issuer.issue(draft("A", special=(Element("Toll", children=(Element("PlateNumber", "粤B"),)),)))
        assert (await p.ledger.number_counts(SELLER, "pretend", 2026)).used == 0

    asyncio.run(story())


def test_quota_is_not_used_after_its_validity_and_again_when_it_was_adjusted() -> None:
    async def story() -> None:
        p = await point()
        p.bureau.quota_until = p.clock.now() + timedelta(hours=1)
        for n in range(9):  # so much that more is downloaded, valid for an hour
            await p.issue(f"big{n}", "90000.00")
        await p.supply.round()
        await p.issue("A")
        p.clock.advance(3601)
        with pytest.raises(QuotaNotValid):
            await p.issue("B")
        p.bureau.quota_until = None
        await p.supply.round()
        assert (await p.issue("B")).record.number

    asyncio.run(story())


class Wobbly(MemoryLedger):
    """A memory ledger whose commits may be executed, lost or executed late, without telling which."""

    def __init__(self, writer: str, store: MemoryStore, seed: int) -> None:
        super().__init__(writer, store=store)
        self.chance = random.Random(seed)
        self.late: list[Sequence[Admission]] = []
        self.blind = 0

    async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        while self.late and self.chance.random() < 0.5:
            await super().admit(self.late.pop(0))
        word = self.chance.choice(("fine", "fine", "executed", "lost", "late"))
        if word in ("fine", "executed"):
            results = await super().admit(admissions)
            if word == "fine":
                return results
        if word == "late":
            self.late.append(admissions)
        raise OutcomeUnknown()

    async def find(self, taxpayer: str, **what: Any) -> Any:
        if self.blind > 0:
            self.blind -= 1
            raise OutcomeUnknown()
        return await super().find(taxpayer, **what)


@pytest.mark.parametrize("seed", range(40))
def test_commits_of_unknown_fate_never_make_two_numbers_for_an_order_or_two_orders_of_a_number(seed: int) -> None:
    async def story() -> None:
        ledger = Wobbly("n1", MemoryStore(), seed)
        p = await point(ledger)
        ledger.blind = seed % 3
        orders = [f"A{n % 6}" for n in range(18)]
        answers = await asyncio.gather(*(p.issue(order) for order in orders))
        while ledger.late:
            await MemoryLedger.admit(ledger, ledger.late.pop(0))
        given: dict[str, set[str]] = {}
        for order, answer in zip(orders, answers, strict=True):
            given.setdefault(order, set()).add(str(answer.record.number))
        assert all(len(numbers) == 1 for numbers in given.values())
        assert len({n for numbers in given.values() for n in numbers}) == len(given)
        for order, numbers in given.items():
            assert {r.number for r in await MemoryLedger.find(ledger, SELLER, orders=[order])} == numbers
        counts = await p.ledger.number_counts(SELLER, "pretend", 2026)
        assert counts.used == len(given)
        used = {n for numbers in given.values() for n in numbers}
        free = {(await p.numbers.take(SELLER, "pretend", 2026)).number for _ in range(counts.leased - 18)}
        assert not used & free  # the owner holds no number as free that the ledger has used

    asyncio.run(story())


def test_a_caller_that_goes_away_during_the_commit_leaves_a_whole_invoice() -> None:
    class Slow(MemoryLedger):
        async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
            await asyncio.sleep(0.02)
            return await super().admit(admissions)

    async def story() -> None:
        p = await point(Slow("n1"))
        task = asyncio.create_task(p.issue("A"))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.05)
        record = await p.record("A")
        assert (await p.issue("A")).record.number == record.number

    asyncio.run(story())


def test_a_ledger_that_cannot_write_answers_nothing_and_loses_no_number() -> None:
    class Full(MemoryLedger):
        broken = True

        async def admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
            if self.broken:
                raise LedgerFault()
            return await super().admit(admissions)

    async def story() -> None:
        ledger = Full("n1")
        p = await point(ledger)
        with pytest.raises(LedgerFault):
            await p.issue("A")
        ledger.broken = False
        assert (await p.issue("A")).record.number
        counts = await p.ledger.number_counts(SELLER, "pretend", 2026)
        assert counts.used == 1
        assert p.numbers.left(SELLER, "pretend", 2026) + 1 == counts.leased + counts.used

    asyncio.run(story())


def test_two_nodes_share_a_taxpayer_and_one_dies_holding_a_block() -> None:
    """No number twice, no order twice, counts add up; the dead node's block comes back by a raised epoch."""
    real = [0.0]

    async def story() -> None:
        store = MemoryStore()
        clock = ManualClock(START)
        policy = Policy(block_size=20, block_low=5, segment_size=400, lease_seconds=10)
        first = await point(
            MemoryLedger("n1", lease_clock=lambda: real[0], store=store), clock=clock, policy=policy, node="n1"
        )
        second = await point(
            MemoryLedger("n2", lease_clock=lambda: real[0], store=store),
            clock=clock,
            policy=policy,
            node="n2",
            bureau=first.bureau,
        )
        orders = [f"A{n % 40}" for n in range(80)]
        both = [first, second] * 40
        answers = await asyncio.gather(*(p.issue(order) for p, order in zip(both, orders, strict=True)))
        numbers = {order: answer.record.number for order, answer in zip(orders, answers, strict=True)}
        assert len(set(numbers.values())) == 40
        real[0] += 11.0  # the first node is paused past its lease, the second goes on and takes its block over
        for n in range(100):
            await second.issue(f"B{n}")
        late = await first.issue("C0")  # it wakes up: fenced, takes a fresh number
        everything = await first.ledger.page(SELLER, limit=1000)
        assert len({r.number for r in everything}) == len({r.order for r in everything}) == len(everything) == 141
        assert late.record.number in {r.number for r in everything}
        counts = await first.ledger.number_counts(SELLER, "pretend", 2026)
        assert counts.used == 141
        assert counts.pulled == counts.free + counts.leased + counts.used + counts.expired

    asyncio.run(story())


def test_blocks_of_a_dead_predecessor_are_reclaimed_and_its_unused_numbers_used() -> None:
    async def story() -> None:
        store = MemoryStore()
        policy = Policy(block_size=100, segment_size=100)
        dead = await point(MemoryLedger("n1", store=store), policy=policy)
        used = {(await dead.issue(f"A{n}")).record.number for n in range(10)}
        dead.bureau.down = True
        alive = await point(MemoryLedger("n1", store=store), policy=policy, bureau=dead.bureau)
        assert await alive.ledger.reclaim_blocks("n1") == 1
        fresh = {(await alive.issue(f"B{n}")).record.number for n in range(90)}
        assert len(fresh | used) == 100
        with pytest.raises(NumbersExhausted):
            await alive.issue("one too many")

    asyncio.run(story())
