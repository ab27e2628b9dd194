"""The month's end: confirmed only when nothing is open and both sides say the same, and never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from month_bench import MONTH, SELLER, Months

from kaipiao.authority.channel import MonthState, MonthTotals
from kaipiao.clock import SHANGHAI, ManualClock, month_of
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.month_end import obstacles
from kaipiao.issuing.month_state import Manner, Seen, Wish
from kaipiao.issuing.reconcile_policy import ReconcilePolicy, close_of, months_open

DECEMBER = datetime(2026, 12, 5, 4, tzinfo=UTC)


def december(**policy: object) -> Months:
    return Months(ManualClock(DECEMBER), policy=ReconcilePolicy(**policy))  # type: ignore[arg-type]


async def compared(months: Months) -> None:
    await months.begin(Manner.TOTALS)
    assert await months.reconciler.go_on(*months.place)


async def wish(months: Months, what: Wish = Wish.CONFIRM) -> tuple[str, ...]:
    _, refusal = await months.desk.wish(*months.place, what, "alice")
    return refusal


def test_a_month_is_confirmed_with_our_totals_read_back_and_opened_again() -> None:
    async def story() -> None:
        months = december()
        months.both()
        months.both("-20.00")
        await compared(months)
        assert await wish(months) == ()
        assert await months.closer.carry_out(*months.place) == 1
        assert months.bureau.closed == {MONTH: MonthState.CONFIRMED}
        assert await months.events("month.confirmed") == [{"month": MONTH, "channel": "pretend", "actor": "alice"}]
        assert await wish(months) == ()  # it is so
        assert await months.closer.carry_out(*months.place) == 0
        assert await wish(months, Wish.UNCONFIRM) == ()
        assert await months.closer.carry_out(*months.place) == 1
        assert months.bureau.closed == {}
        assert len(await months.events("month.unconfirmed")) == 1

    asyncio.run(story())


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda m: m.ours(state=State.UNKNOWN), "debt.unknown=1"),
        (lambda m: m.ours(state=State.ISSUED), "debt.issued=1"),
        (lambda m: m.ours(state=State.SUBMITTED), "debt.submitted=1"),
        (lambda m: m.ours(), "total.blue_count=2/1"),
        (lambda m: m.bureau.totals.clear(), "finding.month_total_off=1"),
    ],
)
def test_what_is_open_is_named_and_nothing_is_sent(spoil: Callable[[Months], object], code: str) -> None:
    async def story() -> None:
        months = december()
        months.both()
        spoil(months)
        await compared(months)
        assert code in await wish(months)
        assert (await months.content()).closing is None
        assert months.bureau.closed == {}

    asyncio.run(story())


def test_what_came_up_after_the_wish_stops_it_too() -> None:
    async def story() -> None:
        months = december()
        months.both()
        await compared(months)
        assert await wish(months) == ()
        months.ours(state=State.UNKNOWN)
        assert await months.closer.carry_out(*months.place) == 1
        closing = (await months.content()).closing
        assert closing is not None
        assert closing.refusal == ("debt.unknown=1",)
        assert months.bureau.closed == {}
        assert len(await months.events("month.refused")) == 1

    asyncio.run(story())


def test_nobody_was_asked_yet_is_an_obstacle() -> None:
    async def story() -> None:
        months = december()
        months.both()
        assert await wish(months) == ("bureau.not_asked",)

    asyncio.run(story())


def test_a_lost_answer_is_asked_about_and_not_sent_again() -> None:
    async def story() -> None:
        months = december()
        months.both()
        await compared(months)
        await wish(months)
        months.bureau.confirmations = ["silent"]
        assert await months.closer.carry_out(*months.place) == 1
        assert (await months.content()).seen is not None
        assert months.bureau.confirmations == []
        assert len(await months.events("month.confirmed")) == 1

    asyncio.run(story())


def test_a_confirmation_that_never_arrived_is_sent_again_only_after_the_settle_time() -> None:
    async def story() -> None:
        months = december()
        months.both()
        await compared(months)
        await wish(months)
        months.bureau.confirmations = ["lost", "ok", "must not be sent"]
        assert await months.closer.carry_out(*months.place) == 0
        months = months.of_store()  # the process was killed meanwhile
        assert await months.closer.carry_out(*months.place) == 0
        assert len(months.bureau.confirmations) == 2
        months.clock.advance(601)
        assert await months.closer.carry_out(*months.place) == 1
        assert months.bureau.closed == {MONTH: MonthState.CONFIRMED}
        assert months.bureau.confirmations == ["must not be sent"]

    asyncio.run(story())


def test_the_bureaus_refusal_ends_the_wish_with_its_reason() -> None:
    async def story() -> None:
        months = december()
        months.both()
        await compared(months)
        await wish(months)
        confirm = months.bureau.confirm_month

        async def other(taxpayer: str, month: str, totals: MonthTotals) -> object:
            return await confirm(taxpayer, month, replace(totals, blue_count=9))

        months.bureau.confirm_month = other  # type: ignore[method-assign, assignment]
        assert await months.closer.carry_out(*months.place) == 1
        closing = (await months.content()).closing
        assert closing is not None
        assert closing.refusal == ("bureau.refused=01",)

    asyncio.run(story())


SEEN = Seen(DECEMBER, MonthState.OPEN, MonthTotals())


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-30T23:59:59", ("month.not_over",)),
        ("2026-12-01T00:04:59", ("month.not_over",)),  # a node with a slow clock may still be in November
        ("2026-12-01T00:05:00", ()),
        ("2026-12-12T23:59:59", ()),
        ("2026-12-13T00:00:00", ("month.closed",)),
    ],
)
def test_the_days_on_which_a_month_can_be_confirmed(at: str, expected: tuple[str, ...]) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=SHANGHAI)
    assert obstacles(MONTH, [], [], SEEN, now) == expected


@pytest.mark.parametrize(
    ("at", "months"),
    [
        ("2026-12-12T23:59:59", ("2026-12", "2026-11")),
        ("2026-12-13T00:00:00", ("2026-12",)),
        ("2026-12-31T23:59:59", ("2026-12",)),
        ("2027-01-01T00:00:00", ("2027-01", "2026-12")),
        ("2027-01-12T23:59:59", ("2027-01", "2026-12")),
        ("2027-01-13T00:00:00", ("2027-01",)),
        ("2024-03-01T00:00:00", ("2024-03", "2024-02")),
    ],
)
def test_which_months_are_looked_at_across_the_thirteenth_and_the_year(at: str, months: tuple[str, ...]) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=SHANGHAI)
    assert months_open(now) == months
    assert month_of(now) == months[0]
    assert all(now < close_of(month) for month in months)


def test_december_closes_on_the_thirteenth_of_january() -> None:
    assert close_of("2026-12") == datetime(2027, 1, 12, 16, tzinfo=UTC)


def test_the_approaching_close_is_an_alarm_once_for_each_step_while_something_is_open() -> None:
    async def story() -> None:
        months = december()
        months.ours(state=State.UNKNOWN)
        months.clock._now = datetime(2026, 12, 8, 16, 1, tzinfo=UTC)
        for _ in range(24 * 4):
            months.clock.advance(3600)
            await months.watch.round()
        told = await months.events("alarm.month")
        assert [(alarm["month"], alarm["days_left"]) for alarm in told] == [(MONTH, 3), (MONTH, 1)]

    asyncio.run(story())


def test_a_confirmed_month_warns_nobody() -> None:
    async def story() -> None:
        months = december()
        months.both()
        await compared(months)
        await wish(months)
        await months.closer.carry_out(*months.place)
        months.clock._now = datetime(2026, 12, 12, 15, 0, tzinfo=UTC)
        await months.watch.round()
        await months.watch.round()
        assert await months.events("alarm.month") == []

    asyncio.run(story())


@pytest.mark.parametrize(("setting", "confirmed"), [("never", False), ("when_equal", True)])
def test_by_itself_a_month_is_confirmed_only_where_the_settings_say_so(setting: str, confirmed: bool) -> None:
    async def story() -> None:
        months = december(confirm=setting)
        months.both()
        months.clock._now = datetime(2026, 12, 9, 15, 0, tzinfo=UTC)
        for _ in range(30):
            months.clock.advance(3600)
            await months.watch.round()
        assert (months.bureau.closed == {MONTH: MonthState.CONFIRMED}) == confirmed

    asyncio.run(story())


def test_a_month_that_a_person_opened_again_is_not_confirmed_by_itself() -> None:
    """It was, after the next comparison, and at once when the node had restarted: before what it was opened for was mended."""

    async def story() -> None:
        months = december(confirm="when_equal")
        months.both()
        months.clock._now = datetime(2026, 12, 9, 15, 0, tzinfo=UTC)
        for _ in range(30):
            months.clock.advance(3600)
            await months.watch.round()
        assert months.bureau.closed == {MONTH: MonthState.CONFIRMED}
        await wish(months, Wish.UNCONFIRM)
        for node in (months, months.of_store()):
            for _ in range(15):
                months.clock.advance(3600)
                await node.watch.round()
            assert months.bureau.closed == {}
        await wish(months)  # he says so
        await months.watch.round()
        assert months.bureau.closed == {MONTH: MonthState.CONFIRMED}

    asyncio.run(story())


def test_by_itself_nothing_is_confirmed_while_something_is_open() -> None:
    async def story() -> None:
        months = december(confirm="when_equal")
        months.both()
        months.ours(state=State.UNKNOWN)
        months.clock._now = datetime(2026, 12, 9, 15, 0, tzinfo=UTC)
        for _ in range(60):
            months.clock.advance(3600)
            await months.watch.round()
        assert months.bureau.closed == {}

    asyncio.run(story())


def test_a_wish_is_carried_out_by_the_round_of_whoever_holds_the_taxpayer() -> None:
    async def story() -> None:
        months = december()
        months.both()
        await compared(months)
        other = months.of_store()
        other.calls.ours = False
        await wish(other)
        await other.watch.round()
        assert months.bureau.closed == {}
        await months.watch.round()
        assert months.bureau.closed == {MONTH: MonthState.CONFIRMED}
        assert months.ledger.store.findings.get((SELLER, "pretend", MONTH)) in (None, {})

    asyncio.run(story())
