"""Modes and budgets at work on a ledger: orders stop with a reason and go on by themselves; of several nodes one writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bench import OTHER, SELLER, Point, point

from kaipiao.clock import ManualClock
from kaipiao.errors import BudgetEnded, CannotIssue, Halted, NumbersExhausted
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import budgets
from kaipiao.issuing.announcements import Announced, Announcement
from kaipiao.issuing.cover import cover_of
from kaipiao.issuing.gate import Gate
from kaipiao.issuing.mode_controller import ModeController
from kaipiao.issuing.modes import Mode
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import Advance, EventDraft

PLACE = (SELLER, "pretend")


def controller(
    p: Point, gate: Gate, ledger: MemoryLedger | None = None, clock: ManualClock | None = None
) -> ModeController:
    return ModeController(
        ledger or p.ledger,
        gate,
        {"pretend": p.bureau.capabilities},
        lambda: {"pretend": {"https://pretend"}},
        [PLACE],
        clock or p.clock,
        holds=p.shards.holds,
        quota_until=p.supply.quota_until,
    )


def gate_on(ledger: MemoryLedger) -> Gate:
    return Gate(ledger, budgets.load(), {"pretend": "leqi"})


def in_time(
    story: Callable[[Point, ModeController, MemoryStore], Awaitable[None]], start: datetime | None = None
) -> None:
    async def run() -> None:
        ledger = MemoryLedger("n1")
        gate = gate_on(ledger)
        p = await point(ledger, gate=gate, **({"clock": ManualClock(start)} if start else {}))  # type: ignore[arg-type]
        modes = controller(p, gate)
        await modes.open()
        await story(p, modes, ledger.store)

    asyncio.run(run())


async def refusal(p: Point, order: str) -> CannotIssue:
    with pytest.raises(CannotIssue) as refused:
        await p.issue(order)
    return refused.value


def kinds(store: MemoryStore, *wanted: str) -> list[tuple[str, object]]:
    return [(e.kind, e.data.get("mode") or e.data.get("bound")) for e in store.events if e.kind in wanted]


def test_48_hours_after_the_oldest_debt_issuing_stops_and_goes_on_when_it_is_settled_each_said_once() -> None:
    async def story(p: Point, modes: ModeController, store: MemoryStore) -> None:
        first = (await p.issue("A-1")).record
        p.clock.advance(48 * 3600 - 1)
        await modes.round()
        await p.issue("A-2")
        p.clock.advance(1)
        error = await refusal(p, "A-3")  # without a round between: the clock is compared, not the snapshot
        assert isinstance(error, BudgetEnded)
        assert (error.facts["bound"], error.facts["unlocks"]) == ("upload_window", "oldest_debt_settled")
        assert (await p.accept("A-4")).state is State.ACCEPTED, "an order may always be accepted"
        for _ in range(3):
            await modes.round()
        state = modes.state(*PLACE)
        assert (state.mode, state.cause) == (Mode.HALTED, "budget.upload_window")
        record = store.invoices[(SELLER, first.id)]
        other = (await p.record("A-2")).id
        for identity in (record.id, other):
            for to in (State.UPLOADING, State.CONFIRMED):
                found = store.invoices[(SELLER, identity)]
                event = EventDraft(f"state.{to}", p.clock.now(), SELLER, found.order)
                assert await p.ledger.advance([Advance(SELLER, identity, found.version, to, {}, event)]) == [True]
        for _ in range(3):
            await modes.round()
        await p.issue("A-3")
        assert modes.state(*PLACE).mode is Mode.ONLINE
        said = kinds(store, "budget.ended", "budget.renewed")
        assert said == [("budget.ended", "upload_window")] * 2 + [("budget.renewed", "upload_window")] * 2, "by kind"

    in_time(story)


def test_numbers_of_a_new_year_are_told_from_numbers_that_are_used_up_and_issuing_goes_on_with_them() -> None:
    async def story(p: Point, modes: ModeController, store: MemoryStore) -> None:
        await p.issue("A-1")
        p.clock.advance(120)
        error = await refusal(p, "A-2")
        assert isinstance(error, NumbersExhausted)
        assert (error.facts["bound"], error.facts["unlocks"]) == ("year_end", "numbers_of_new_year_pulled")
        await modes.round()
        assert modes.state(*PLACE).cause == "budget.month_end", "both have ended"
        assert {bound for _, bound in kinds(store, "budget.ended")} == {"month_end", "year_end"}
        await p.supply.round()
        await modes.round()
        await p.issue("A-2")
        assert ("budget.renewed", "year_end") in kinds(store, "budget.renewed")

    in_time(story, datetime(2026, 12, 31, 15, 59, tzinfo=UTC))


def test_what_the_operator_halts_is_refused_with_his_words_until_he_releases_it_over_a_restart_too() -> None:
    async def story(p: Point, modes: ModeController, store: MemoryStore) -> None:
        await p.issue("A-1")
        await modes.order(None, ["pretend"], "halted", "核对")
        error = await refusal(p, "A-2")
        assert isinstance(error, Halted)
        assert (error.facts["cause"], error.facts["reason"]) == ("operator", "核对")
        assert (await p.issue("A-1")).replayed, "what was issued is answered again"
        p.clock.advance(25 * 3600)
        for _ in range(2):
            await modes.round()
        assert isinstance(await refusal(p, "A-2"), Halted), "a day does not release it"
        gate = gate_on(MemoryLedger("n2", store=store))
        again = controller(p, gate, MemoryLedger("n2", store=store))
        await again.open()
        with pytest.raises(Halted):
            gate.check(*PLACE, "general", p.clock.now())
        await modes.order(None, ["pretend"], "auto", "done")
        await p.issue("A-2")
        assert kinds(store, "mode.changed") == [("mode.changed", "halted"), ("mode.changed", "online")]

    in_time(story)


def test_of_three_nodes_that_see_the_same_one_writes_each_change() -> None:
    async def story(p: Point, modes: ModeController, store: MemoryStore) -> None:
        ledgers = [MemoryLedger(f"n{n}", store=store) for n in (2, 3)]
        nodes = [modes, *(controller(p, gate_on(ledger), ledger) for ledger in ledgers)]
        data: dict[str, str | int | bool | None] = {
            "channel": "pretend",
            "endpoint": "https://pretend",
            "cause": "wait.timeout",
            "failures": 3,
            "node": "n1",
        }
        await p.ledger.append_events([EventDraft("breaker.opened", p.clock.now(), data=data)])
        for _ in range(3):
            await asyncio.gather(*(node.round() for node in nodes))
        assert kinds(store, "mode.changed") == [("mode.changed", "contingency_failure")]
        assert {node.state(None, "pretend").mode for node in nodes} == {Mode.CONTINGENCY_FAILURE}
        state = modes.state(None, "pretend")
        assert (state.rule, state.deadline) == ("upload_window", p.clock.now() + timedelta(hours=48))

    in_time(story)


def test_before_a_planned_maintenance_the_stock_must_last_to_its_end() -> None:
    async def story(p: Point, modes: ModeController, store: MemoryStore) -> None:
        now = p.clock.now()
        hour = timedelta(hours=1)
        window = Announcement("1", "pretend", Announced.MAINTENANCE, now + 20 * hour, now + 30 * hour)
        assert modes.hours_ahead("pretend") == 0
        await modes.announce([window])
        assert modes.hours_ahead("pretend") == 30
        p.clock.advance(20 * 3600)
        await modes.round()
        assert modes.state(None, "pretend").mode is Mode.CONTINGENCY_PLANNED
        await modes.withdraw("1")
        assert (modes.hours_ahead("pretend"), modes.state(None, "pretend").mode) == (0, Mode.ONLINE)

    in_time(story)


@pytest.mark.parametrize("behind", [0.5, 5, 200])
def test_nodes_whose_clocks_differ_do_not_take_back_each_other_s_modes(behind: float) -> None:
    """Each derived by its own clock: around every turn of a mode the two wrote contradicting events until the slower clock had
    passed it, and outages flapped with them."""

    async def story(p: Point, modes: ModeController, store: MemoryStore) -> None:
        ledger, slow = MemoryLedger("n2", store=store), ManualClock(p.clock.now() - timedelta(seconds=behind))
        other = controller(p, gate_on(ledger), ledger, slow)
        now = p.clock.now()
        await modes.announce(
            [Announcement("1", "pretend", Announced.MAINTENANCE, now + timedelta(hours=1), now + timedelta(hours=2))]
        )
        for clock in (p.clock, slow):
            clock.advance(3600)
        for step in (0, 0, 0, 3600, 0, 0):
            for clock in (p.clock, slow):
                clock.advance(step)
            await modes.round()
            while await other.round() < 1:
                continue
            assert modes.state(None, "pretend").mode is other.state(None, "pretend").mode
        assert kinds(store, "mode.changed") == [("mode.changed", "contingency_planned"), ("mode.changed", "online")]

    in_time(story)


def test_a_debt_on_a_channel_of_the_past_does_not_stop_the_channel_of_today() -> None:
    """R8: a budget is of taxpayer, channel and kind. What nobody can upload any more, its channel being gone, stopped the
    taxpayer for ever."""

    async def story(p: Point, modes: ModeController, store: MemoryStore) -> None:
        old = (await p.issue("A-1")).record
        store.keep(replace(old, channel="former"))
        p.clock.advance(60 * 3600)
        await modes.round()
        await p.issue("A-2")
        assert modes.state(*PLACE).mode is Mode.ONLINE
        cover = await cover_of(p.ledger, *PLACE, p.bureau.capabilities, p.clock)
        assert cover.bounds["upload_window"] == pytest.approx(48, abs=0.1)

    in_time(story)


def test_a_budget_of_one_taxpayer_is_no_other_s() -> None:
    """Both owe the same; the table gives one of them a day."""

    async def run() -> None:
        row = f'''dated = 2026-11-24
source = "own"
[[budget]]
channel = "*"
invoice = "any"
taxpayer = "{OTHER}"
bound = "upload_window"
limit = 86400
action = "stop"
zh = "一天"
en = "a day"
'''
        ledger = MemoryLedger("n1")
        gate = Gate(ledger, budgets.load((row, "own.toml")), {"pretend": "leqi"})
        p = await point(ledger, gate=gate, sellers=(SELLER, OTHER))
        modes = ModeController(
            ledger,
            gate,
            {"pretend": p.bureau.capabilities},
            lambda: {"pretend": {"https://pretend"}},
            [PLACE, (OTHER, "pretend")],
            p.clock,
            holds=p.shards.holds,
            quota_until=lambda taxpayer, channel: None,
        )
        await modes.open()
        made = [(await p.issue("A-1", by=seller)).record for seller in (SELLER, OTHER)]
        for record in made:  # to the microsecond
            ledger.store.keep(replace(record, made_at=made[0].made_at))
        p.clock.advance(25 * 3600)
        await modes.round()
        assert modes.state(*PLACE).mode is Mode.ONLINE
        assert modes.state(OTHER, "pretend").cause == "budget.upload_window"
        assert {e.taxpayer for e in ledger.store.events if e.kind == "budget.ended"} == {OTHER}

    asyncio.run(run())
