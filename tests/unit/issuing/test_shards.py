"""Two nodes on one ledger: who makes which call, and what the others know of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from bench import OTHER, SELLER, START, Point, point
from pretend_bureau import PretendBureau

from kaipiao.authority.channel import Answer, ItemResult, UploadItem
from kaipiao.clock import ManualClock
from kaipiao.errors import LedgerFault, NotQualified
from kaipiao.invoice.lifecycle import State
from kaipiao.invoice.taxpayer import with_check_digit
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.shards import Shards
from kaipiao.ledger.memory import MemoryLedger, MemoryStore

SELLERS = [SELLER, OTHER, *(with_check_digit(f"91440300MA5EXMPM{n}") for n in range(4))]


@dataclass
class Seconds:
    """Real time, as a test moves it: of the leases in the ledger and of both nodes."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Wire:
    """What went over it, from which node: (node, service, taxpayer)."""

    calls: list[tuple[str, str, str]] = field(default_factory=list)
    polls: Counter[str] = field(default_factory=Counter)  # of each submission, under way just now
    twice: list[str] = field(default_factory=list)


class Watched(PretendBureau):
    """The bureau as one node sees it; `wire` is shared by all nodes."""

    def __init__(self, clock: ManualClock, node: str, wire: Wire, first: PretendBureau | None = None) -> None:
        super().__init__(clock)
        self.node, self.wire = node, wire
        if first is not None:
            self.held, self.shown_from, self.submissions = first.held, first.shown_from, first.submissions
            self.serials = first.serials

    async def upload(self, taxpayer: str, items: Sequence[UploadItem], wire_id: str) -> Answer[str]:
        self.wire.calls.append((self.node, "upload", taxpayer))
        return await super().upload(taxpayer, items, wire_id)

    async def poll(self, taxpayer: str, submission: str) -> Answer[list[ItemResult]]:
        self.wire.calls.append((self.node, "poll", taxpayer))
        self.wire.polls[submission] += 1
        if self.wire.polls[submission] > 1:
            self.wire.twice.append(submission)
        await asyncio.sleep(0)
        try:
            return await super().poll(taxpayer, submission)
        finally:
            self.wire.polls[submission] -= 1

    async def pull_numbers(self, taxpayer: str, quantity: int, serial: str):  # type: ignore[no-untyped-def]
        self.wire.calls.append((self.node, "numbers", taxpayer))
        return await super().pull_numbers(taxpayer, quantity, serial)

    async def standing(self, taxpayer: str):  # type: ignore[no-untyped-def]
        self.wire.calls.append((self.node, "standing", taxpayer))
        return await super().standing(taxpayer)


@dataclass
class Pair:
    a: Point
    b: Point
    wire: Wire
    seconds: Seconds

    async def step(self, seconds: float, *nodes: Point) -> None:
        """Time goes on, for the platform and for the leases, and each loop of these nodes has its turn at once."""
        self.a.clock.advance(seconds)
        self.seconds.now += 5.0
        for p in nodes:
            await p.shards.round(p.busy)
        await asyncio.gather(*(work(p) for p in nodes for work in (_upload, _poll, _ask)))

    async def level(self) -> None:
        for _ in range(4):
            await self.step(1, self.a, self.b)


async def _upload(p: Point) -> None:
    await p.numberer.round()
    await p.uploader.round()
    await p.uploader.recover()


async def _poll(p: Point) -> None:
    await p.settler.poll_round()


async def _ask(p: Point) -> None:
    await p.settler.ask_round()


async def pair(policy: Policy | None = None, sellers: Sequence[str] = SELLERS, patience: float = 30.0) -> Pair:
    clock, store, seconds, wire = ManualClock(START), MemoryStore(), Seconds(), Wire()
    bureau = Watched(clock, "n1", wire)
    points = []
    for node in ("n1", "n2"):
        own = bureau if node == "n1" else Watched(clock, node, wire, bureau)
        ledger = MemoryLedger(node, seconds, store=store)
        points.append(
            await point(
                ledger, own, policy, node=node, clock=clock, sellers=sellers, lease_clock=seconds, patience=patience
            )
        )
    return Pair(points[0], points[1], wire, seconds)


def test_each_taxpayers_calls_come_from_one_node_and_no_submission_is_polled_twice_at_once() -> None:
    async def story() -> None:
        two = await pair()
        await two.level()
        assert two.a.shards.held() | two.b.shards.held() == set(SELLERS)
        assert len(two.a.shards.held()) == len(two.b.shards.held()) == 3
        two.wire.calls.clear()
        for n in range(10):
            for place, by in enumerate(SELLERS):
                await (two.a, two.b)[(n + place) % 2].issue(f"A{n}", by=by)
        for _ in range(40):
            await two.step(10, two.a, two.b)
        by_taxpayer = {by: {node for node, _, t in two.wire.calls if t == by} for by in SELLERS}
        assert all(len(nodes) == 1 for nodes in by_taxpayer.values())
        assert set().union(*by_taxpayer.values()) == {"n1", "n2"}
        assert two.wire.twice == []
        for by in SELLERS:
            assert set(await two.a.ledger.state_counts(by)) == {State.CONFIRMED}

    asyncio.run(story())


def test_when_a_node_dies_the_other_settles_all_that_was_its_own_within_a_few_leases() -> None:
    async def story() -> None:
        two = await pair()
        await two.level()
        mine = two.b.shards.held()
        for by in SELLERS:
            await two.a.issue("A", by=by)
        for by in mine:  # begun by the one that dies, and never sent
            identity = 700 + SELLERS.index(by)
            two.a.clock.advance(2)
            await two.b.ledger.begin_upload(identity, f"w{identity}", by, "pretend", "n2", 100, two.a.clock.now())
        await two.step(5, two.a)
        assert two.a.shards.held().isdisjoint(mine)  # the lease is not over
        for _ in range(3):
            await two.step(5, two.a)
        assert two.a.shards.held() == set(SELLERS)
        assert [await two.a.state("A", by=by) for by in mine] == [State.UPLOADING] * 3  # perhaps on the wire just now
        for _ in range(3):
            await two.step(5, two.a)
        assert [await two.a.state("A", by=by) for by in mine] == [State.UNKNOWN] * 3
        for _ in range(100):
            await two.step(20, two.a)
        assert [await two.a.state("A", by=by) for by in SELLERS] == [State.CONFIRMED] * 6

    asyncio.run(story())


def test_a_node_whose_lease_ran_out_makes_no_call_until_it_has_renewed_it() -> None:
    async def story() -> None:
        two = await pair(sellers=[SELLER])
        await two.a.issue("A")
        two.seconds.now += 12.1  # of 15
        two.a.clock.advance(2)
        await two.a.uploader.round()
        assert not any(service == "upload" for _, service, _ in two.wire.calls)
        await two.step(2, two.a)
        assert any(service == "upload" for _, service, _ in two.wire.calls)

    asyncio.run(story())


def test_a_machine_that_was_asleep_does_not_take_its_lease_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """`time.monotonic` stands still while a machine sleeps; the lease in the ledger does not."""

    async def story() -> None:
        slept = Seconds()
        monkeypatch.setattr(time, "clock_gettime", lambda _which: slept())
        shards = Shards(MemoryLedger("n1", Seconds()), "n1", [SELLER], Policy())
        await shards.round(set)
        assert shards.holds(SELLER)
        slept.now += 600
        assert not shards.holds(SELLER)

    asyncio.run(story())


def test_a_call_of_a_program_that_knows_no_leases_is_not_cut_while_it_may_be_under_way() -> None:
    """Beside a node of before the leases: it is not among the nodes, and at work all the same."""

    async def story() -> None:
        two = await pair(sellers=[SELLER])
        await two.a.issue("A")
        two.a.clock.advance(2)
        await two.a.ledger.begin_upload(700, "w700", SELLER, "pretend", "old", 100, two.a.clock.now())
        await two.step(10, two.a)
        assert await two.a.state("A") is State.UPLOADING
        await two.step(30, two.a)
        assert await two.a.state("A") is State.UNKNOWN

    asyncio.run(story())


def test_a_claim_that_outlasts_the_lease_is_given_back_unsent() -> None:
    async def story() -> None:
        two = await pair(sellers=[SELLER])
        await two.a.issue("A")
        begin = two.a.ledger.begin_upload

        async def slow(*values, **named):  # type: ignore[no-untyped-def]
            two.seconds.now += 20
            return await begin(*values, **named)

        two.a.ledger.begin_upload = slow  # type: ignore[method-assign]
        two.a.clock.advance(2)
        await two.a.uploader.round()
        assert not any(service == "upload" for _, service, _ in two.wire.calls)
        record = await two.a.record("A")
        assert (record.state, record.doubt) == (State.ISSUED, False)

    asyncio.run(story())


def test_taxpayers_with_a_call_under_way_are_not_let_go() -> None:
    async def story() -> None:
        two = await pair(Policy(), sellers=[SELLER, OTHER], patience=0.01)
        assert two.a.shards.held() == {SELLER, OTHER}
        two.a.bureau.hanging = {("upload", SELLER), ("poll", OTHER)}
        await two.a.issue("A")
        await two.a.issue("A", by=OTHER)
        two.a.clock.advance(2)
        await two.a.uploader.round()
        two.a.clock.advance(20)
        await two.a.settler.poll_round()
        await two.a.shards.round(two.a.busy)
        assert two.a.shards.held() == {SELLER, OTHER}
        await two.a.uploader.close(0.01)
        await two.a.shards.round(two.a.busy)
        assert two.a.shards.held() == {OTHER}
        await two.a.settler.close(0.01)
        await two.b.shards.round(set)
        assert two.b.shards.held() == {SELLER}

    asyncio.run(story())


def test_one_that_leaves_is_relieved_at_once() -> None:
    async def story() -> None:
        two = await pair()
        await two.level()
        await two.a.shards.leave()
        assert two.a.shards.held() == frozenset()
        await two.b.shards.round(set)
        assert two.b.shards.held() == set(SELLERS)

    asyncio.run(story())


def test_a_round_that_fails_keeps_what_is_held_until_its_time_and_loses_no_wish() -> None:
    class Away(MemoryLedger):
        away = False

        async def hold_shards(self, *values, **named):  # type: ignore[no-untyped-def]
            if self.away:
                raise LedgerFault()
            self.asked = named["short"]
            return await super().hold_shards(*values, **named)

    async def story() -> None:
        seconds = Seconds()
        ledger = Away("n1", seconds)
        shards = Shards(ledger, "n1", [SELLER], Policy(), seconds)
        await shards.round(set)
        ledger.away = True
        shards.ask_for_stock(OTHER)
        with pytest.raises(LedgerFault):
            await shards.round(set)
        assert shards.holds(SELLER)
        seconds.now += 12
        assert not shards.holds(SELLER)
        assert shards.held() == frozenset()
        ledger.away = False
        await shards.round(set)
        assert shards.holds(SELLER)
        assert ledger.asked == {OTHER}

    asyncio.run(story())


def test_numbers_are_pulled_by_the_holder_only_and_it_hurries_when_another_node_is_out_of_them() -> None:
    async def story() -> None:
        policy = Policy(segment_size=4, block_size=4, block_low=0)
        two = await pair(policy, sellers=[SELLER])
        assert [call for call in two.wire.calls if call[1] == "numbers"] == [("n1", "numbers", SELLER)]
        for n in range(4):
            await two.b.issue(f"B{n}")
        two.b.shards.ask_for_stock(SELLER)
        await two.b.shards.round(set)
        await two.b.supply.round()
        more, short = await two.a.shards.round(set)
        assert (more, short) == (False, frozenset({SELLER}))
        two.a.supply.hurry(short)
        await two.a.supply.round()
        assert [call for call in two.wire.calls if call[1] == "numbers"] == [("n1", "numbers", SELLER)] * 2
        await two.b.issue("B4")

    asyncio.run(story())


def test_accepted_orders_of_a_taxpayer_that_only_another_node_knows_are_not_refused() -> None:
    """While nodes are restarted one by one with a new taxpayer, one with the old settings may hold it: its orders were shown
    as refused, and put off for an hour."""

    async def story() -> None:
        two = await pair(sellers=[SELLER, OTHER])
        old = await point(
            MemoryLedger("n3", two.seconds, store=two.a.ledger.store),  # type: ignore[attr-defined]
            two.a.bureau, node="n3", clock=two.a.clock, lease_clock=two.seconds, sellers=[SELLER],
        )  # fmt: skip
        before = await two.a.accept("A", by=OTHER)
        await two.a.shards.leave()
        await two.b.shards.leave()
        await old.shards.round(set)
        assert old.shards.holds(OTHER)
        assert await old.numberer.round() == 0
        assert await two.a.record("A", by=OTHER) == before

    asyncio.run(story())


def test_who_may_not_issue_may_not_on_any_node_and_after_a_restart_neither() -> None:
    async def story() -> None:
        two = await pair(sellers=[SELLER])
        two.a.bureau.may_issue = False
        two.a.clock.advance(timedelta(days=1).total_seconds() + 1)
        await two.a.supply.round()
        await two.b.supply.round()
        for p in (two.a, two.b):
            with pytest.raises(NotQualified):
                await p.issue("A")
        assert ("n2", "standing", SELLER) not in two.wire.calls
        again = await point(
            MemoryLedger("n1", two.seconds, store=two.a.ledger.store),  # type: ignore[attr-defined]
            two.a.bureau, node="n1", clock=two.a.clock, lease_clock=two.seconds,
        )  # fmt: skip
        with pytest.raises(NotQualified):
            await again.issue("A")

    asyncio.run(story())
