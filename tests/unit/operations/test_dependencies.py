"""Dependencies: what they last said stands in for them, marked, for as long as the policy allows; a gap is told once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from kaipiao.clock import ManualClock
from kaipiao.ledger.port import EventDraft
from kaipiao.operations.dependencies import over_https
from kaipiao.operations.dependencies.heartbeats import Heart, Heartbeats
from kaipiao.operations.dependencies.marked import REMEMBERED, Failed, LastGood, Marked

START = datetime(2026, 3, 3, 1, tzinfo=UTC)
DOWN = Failed("connect.refused")


def test_a_stale_answer_is_marked_with_its_age_and_cause_and_ends_with_the_policy() -> None:
    async def story() -> None:
        clock = ManualClock(START)
        last: LastGood[str] = LastGood(clock, timedelta(hours=2))
        answers: list[str | Failed] = ["ACME", DOWN, DOWN, "ACME 2"]

        async def fetch() -> str | Failed:
            return answers.pop(0)

        assert await last.ask("k", fetch) == Marked("ACME", START)
        clock.advance(7199)
        assert await last.ask("k", fetch) == Marked("ACME", START, stale=True, cause="connect.refused")
        clock.advance(1)
        assert await last.ask("k", fetch) == DOWN
        assert await last.ask("k", fetch) == Marked("ACME 2", clock.now())

    asyncio.run(story())


def test_where_nothing_stale_is_allowed_a_failure_is_a_failure() -> None:
    async def story() -> None:
        last: LastGood[str] = LastGood(ManualClock(START), timedelta(0))
        answers: list[str | Failed] = ["paid", DOWN]

        async def fetch() -> str | Failed:
            return answers.pop(0)

        await last.ask("k", fetch)
        assert await last.ask("k", fetch) == DOWN

    asyncio.run(story())


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    async def story() -> None:
        last: LastGood[int] = LastGood(ManualClock(START), timedelta(hours=1))

        async def one() -> int | Failed:
            return 1

        async def none() -> int | Failed:
            return DOWN

        for n in range(REMEMBERED + 1):
            await last.ask(str(n), one)
        assert await last.ask("0", none) == DOWN
        assert isinstance(await last.ask("1", none), Marked)

    asyncio.run(story())


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"tax_number": "OTHER", "name": "A", "active": True},
        {"tax_number": "T", "name": "", "active": True},
        {"tax_number": "T", "name": "A" * 301, "active": True},
        {"tax_number": "T", "name": "A", "active": "yes"},
    ],
)
def test_a_company_that_is_not_of_the_form_is_none(raw: object) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        over_https._company(raw, "T")


@pytest.mark.parametrize(
    "raw",
    [
        {"reference": "other", "amount": "1.00", "paid_at": None},
        {"reference": "r", "amount": "NaN", "paid_at": None},
        {"reference": "r", "amount": "-1", "paid_at": None},
        {"reference": "r", "amount": "1.00", "paid_at": "2026-01-01T00:00:00"},
        {"reference": "r", "amount": "1.00"},
    ],
)
def test_a_payment_that_is_not_of_the_form_is_none(raw: object) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        over_https._payment(raw, "r")


def test_a_gap_is_told_once_and_its_end_once() -> None:
    told: list[tuple[str, object]] = []
    up = [True]

    async def append(events: Sequence[EventDraft]) -> None:
        told.extend((event.kind, event.data["seconds"]) for event in events)

    async def beat() -> Failed | None:
        return None if up[0] else DOWN

    async def story() -> None:
        clock = ManualClock(START)
        hearts = Heartbeats([Heart("pay", "payment", beat, gap=180)], clock, append, "n1", 60)
        for _ in range(3):
            await hearts.round()
            clock.advance(60)
        up[0] = False
        for _ in range(60):  # 48 minutes and more without a beat, as in the case of the brief (P12)
            await hearts.round()
            clock.advance(60)
        assert told == [("alarm.heartbeat", 180)]
        (state,) = hearts.states()
        assert state.missing
        assert state.cause == "connect.refused"
        up[0] = True
        await hearts.round()
        await hearts.round()
        assert [kind for kind, _ in told] == ["alarm.heartbeat", "heartbeat.back"]
        assert told[1][1] == 3660
        assert not hearts.states()[0].missing

    asyncio.run(story())


def test_one_that_never_answered_since_the_start_is_told_too() -> None:
    told: list[str] = []

    async def append(events: Sequence[EventDraft]) -> None:
        told.extend(event.kind for event in events)

    async def beat() -> Failed | None:
        return DOWN

    async def story() -> None:
        clock = ManualClock(START)
        hearts = Heartbeats([Heart("tsa", "timestamp", beat, gap=100)], clock, append, "n1", 60)
        await hearts.round()
        assert told == []
        clock.advance(100)
        await hearts.round()
        assert told == ["alarm.heartbeat"]

    asyncio.run(story())
