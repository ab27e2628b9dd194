"""The rate of each hour from four weeks of history, and how long stock lasts through the coming hours (R7)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from bench import SELLER, Point, point
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.clock import SHANGHAI, ManualClock
from kaipiao.issuing.cover import cover_of
from kaipiao.issuing.demand import FOUR_WEEKS, LAST_HOUR, Rate, demand_of, lasts, needed, percentile, rate_from
from kaipiao.ledger.continuity import HOUR, HourTotal, whole_hour
from kaipiao.ledger.memory import MemoryLedger
from kaipiao.ledger.port import Ledger

WEEK = timedelta(days=7)
MONDAY = datetime(2026, 11, 2, 10, tzinfo=SHANGHAI)
RATE = st.integers(0, 50)


def total(hour: datetime, invoices: int, quota: str | None = None) -> HourTotal:
    return HourTotal(hour, invoices, Decimal(quota or f"{invoices * 100}.00"))


def counted(*totals: HourTotal) -> dict[datetime, HourTotal]:
    return {one.hour: one for one in totals}


def history(ledger: Ledger, *totals: HourTotal) -> None:
    assert isinstance(ledger, MemoryLedger)
    ledger.store.hours[SELLER] = counted(*totals)


def weeks(now: datetime, sold: dict[int, int], back: int = 4) -> list[HourTotal]:
    """Four whole weeks before `now`, so many invoices by hour of the day in Shanghai."""
    hours = [whole_hour(now) - HOUR * n for n in range(1, 24 * 7 * back + 1)]
    return [total(hour, sold.get(hour.astimezone(SHANGHAI).hour, 0)) for hour in hours]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([7], 7), ([1, 9], 9), ([4, 1, 3, 2], 4), (list(range(1, 11)), 9), (list(range(1, 21)), 18), ([0, 0], 0)],
)
def test_the_90th_percentile_is_the_nearest_rank_in_whatever_order_they_come(values: list[int], expected: int) -> None:
    assert percentile(values) == expected
    assert percentile(values[::-1]) == expected


def test_the_percentile_of_nothing_is_nothing() -> None:
    assert percentile([]) is None


def test_only_this_weekday_and_hour_of_four_weeks_count() -> None:
    own = [total(MONDAY - WEEK * n, n) for n in range(1, 5)]
    others = [total(MONDAY - WEEK * 5, 99), total(MONDAY, 99), total(MONDAY - timedelta(days=1), 99)]
    near = [total(MONDAY - WEEK + HOUR * step, 99) for step in (-1, 1)]
    assert rate_from(counted(*own, *others, *near), MONDAY) == Rate(4, Decimal("400.00"), FOUR_WEEKS, 4)


def test_an_hour_without_sales_is_a_sample_and_one_that_was_never_counted_is_none() -> None:
    zeros = [total(MONDAY - WEEK * n, 0) for n in (1, 2, 3)]
    assert rate_from(counted(*zeros), MONDAY) == Rate(0, Decimal("0.00"), FOUR_WEEKS, 3)
    assert rate_from(counted(*zeros, total(MONDAY - WEEK * 4, 8)), MONDAY) == Rate(8, Decimal("800.00"), FOUR_WEEKS, 4)
    assert rate_from({}, MONDAY) is None


def test_one_sample_is_enough_and_says_that_it_is_one() -> None:
    assert rate_from(counted(total(MONDAY - WEEK, 5)), MONDAY) == Rate(5, Decimal("500.00"), FOUR_WEEKS, 1)


def test_numbers_and_quota_have_each_their_own_percentile() -> None:
    found = rate_from(counted(total(MONDAY - WEEK, 9, "1.00"), total(MONDAY - WEEK * 2, 1, "900.00")), MONDAY)
    assert found == Rate(9, Decimal("900.00"), FOUR_WEEKS, 2)


async def made(now: datetime) -> Point:
    return await point(MemoryLedger("n1"), clock=ManualClock(now))


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 3, 8, 2, 30, tzinfo=SHANGHAI),  # where the clocks of others jump an hour
        datetime(2026, 11, 1, 1, 30, tzinfo=SHANGHAI),  # a month, and where they jump back
        datetime(2027, 1, 1, 0, 30, tzinfo=SHANGHAI),  # a year
        datetime(2028, 3, 1, 7, 30, tzinfo=SHANGHAI),  # after the 29th of February
        datetime(2026, 11, 2, 0, 0, tzinfo=SHANGHAI),  # midnight, and the first moment of an hour
    ],
)
def test_an_hour_is_the_same_hour_in_shanghai_over_the_edges_of_months_and_years(now: datetime) -> None:
    async def story() -> None:
        p = await made(now)
        hour = now.replace(minute=0)
        history(p.ledger, *(total(hour - timedelta(days=7 * n), 10 * n) for n in range(1, 5)))
        assert (await demand_of(p.ledger, SELLER, p.clock.now())).now == Rate(40, Decimal("4000.00"), FOUR_WEEKS, 4)

    asyncio.run(story())


def test_without_history_every_hour_is_as_the_last_one() -> None:
    async def story() -> None:
        p = await made(MONDAY)
        for n in range(3):
            await p.issue(f"A-{n}")
        demand = await demand_of(p.ledger, SELLER, p.clock.now())
        assert demand.now == Rate(3, Decimal("300.00"), LAST_HOUR, 1)
        assert {rate.invoices for rate in demand.hours} == {3}
        assert demand.numbers_last(30) == pytest.approx(10)

    asyncio.run(story())


def test_at_night_cover_foresees_the_day() -> None:
    """At 03:00 nothing is sold; 300 numbers last till the shop has sold 100 an hour for three hours from 09:00 on."""

    async def story() -> None:
        p = await made(datetime(2026, 11, 3, 3, 30, tzinfo=SHANGHAI))
        history(p.ledger, *weeks(p.clock.now(), {9: 100, 10: 100, 11: 100, 12: 400}))
        demand = await demand_of(p.ledger, SELLER, p.clock.now())
        assert demand.now == Rate(0, Decimal("0.00"), LAST_HOUR, 1)
        assert demand.numbers_last(300) == pytest.approx(8.5)
        assert demand.numbers_last(500) == pytest.approx(9.0)
        assert demand.quota_lasts(Decimal(15000)) == pytest.approx(7.0)
        cover = await cover_of(p.ledger, SELLER, "pretend", p.bureau.capabilities, p.clock)
        assert (cover.rate_per_hour, cover.bound) == (0, "upload_window")
        assert cover.bounds["numbers"] == pytest.approx(57.25, abs=0.01), "2,000 at 700 a day: on the third"
        invoices, quota = demand.until(8.495)
        assert (invoices, round(quota)) == (300, 29950)

    asyncio.run(story())


def test_a_shop_that_sells_when_it_never_did_is_not_told_that_it_will_sell_nothing() -> None:
    async def story() -> None:
        p = await made(datetime(2026, 11, 3, 3, 30, tzinfo=SHANGHAI))
        history(p.ledger, *weeks(p.clock.now(), {}))
        await p.issue("A-1")
        demand = await demand_of(p.ledger, SELLER, p.clock.now())
        assert {rate.source for rate in demand.hours} == {LAST_HOUR}
        assert demand.numbers_last(10) == pytest.approx(10)

    asyncio.run(story())


def test_the_last_hour_before_closing_does_not_count_for_the_night() -> None:
    async def story() -> None:
        p = await made(datetime(2026, 11, 3, 20, 0, tzinfo=SHANGHAI))
        history(p.ledger, *weeks(p.clock.now(), {20: 10, 9: 10}))
        await p.issue("A-1")
        demand = await demand_of(p.ledger, SELLER, p.clock.now())
        assert (demand.now.invoices, demand.now.source) == (10, FOUR_WEEKS)
        assert demand.numbers_last(15) == pytest.approx(13.5)

    asyncio.run(story())


def test_nothing_lasts_for_no_time_and_what_nobody_takes_lasts_for_ever() -> None:
    assert lasts(0, [0, 0], 0.5) == 0
    assert lasts(5, [0, 0], 0.5) is None


@given(st.integers(1, 5000), st.lists(RATE, min_size=1, max_size=12), st.integers(0, 15))
def test_what_is_needed_until_stock_is_used_is_the_stock(stock: int, rates: list[int], sixteenths: int) -> None:
    gone = sixteenths / 16
    hours = lasts(stock, rates, gone)
    if hours is None:
        assert not any(rates)
        return
    assert hours >= 0
    assert needed(rates, gone, hours) == pytest.approx(stock, abs=1e-6)
    if hours > 0.01:
        assert needed(rates, gone, hours - 0.01) < stock, "not a moment before"


@given(st.lists(RATE, min_size=1, max_size=12), st.integers(0, 15), st.floats(0, 100), st.floats(0, 100))
def test_what_is_needed_never_shrinks_with_time(rates: list[int], sixteenths: int, one: float, other: float) -> None:
    gone, (less, more) = sixteenths / 16, sorted((one, other))
    assert 0 <= needed(rates, gone, less) <= needed(rates, gone, more) + 1e-9


def test_before_an_announced_window_stock_for_all_its_hours_is_pulled_though_nothing_is_sold_now() -> None:
    """At 03:00 nothing is sold. Maintenance from 05:00 to 20:00 takes four hours of 2,000 numbers and 4,000,000.00 CNY each."""

    async def story() -> None:
        p = await made(datetime(2026, 11, 3, 3, 0, tzinfo=SHANGHAI))
        rows = weeks(p.clock.now(), {9: 2000, 10: 2000, 11: 2000, 12: 2000})
        history(p.ledger, *(total(row.hour, row.invoices, f"{row.invoices * 2000}.00") for row in rows))
        now, mine = p.clock.now(), (SELLER, "pretend")
        before = (await p.ledger.number_counts(*mine, 2026)).free, (await p.ledger.quota(*mine, "2026-11")).left
        assert before == (2000, Decimal("1000000.00"))
        await p.supply.round()
        assert (await p.ledger.number_counts(*mine, 2026)).free == 2000, "enough while nothing is announced"
        end = now + 17 * HOUR
        p.supply.hours_ahead = lambda channel: (end - p.clock.now()) / HOUR if channel == "pretend" else 0.0
        for _ in range(20):
            p.clock.advance(60)
            await p.supply.round()
        p.bureau.down = True
        demand = await demand_of(p.ledger, SELLER, p.clock.now())
        stock = (await p.ledger.number_counts(*mine, 2026)).free
        assert (demand.numbers_last(stock) or 0.0) >= 17 - 1 / 3
        assert stock <= 8000 + p.bureau.capabilities.segment_limit
        cover = await cover_of(p.ledger, SELLER, "pretend", p.bureau.capabilities, p.clock)
        assert cover.hours >= 17 - 1 / 3

    asyncio.run(story())
