"""Two sides' books are compared: each difference is found and named, nothing else is, and no request is spent twice (R12)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from month_bench import MONTH, NOW, SELLER, Months

from kaipiao.authority.channel import Answer, ListPacket
from kaipiao.authority.channel import Outcome as Heard
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.findings import Kind
from kaipiao.issuing.month_state import Manner, Outcome

Found = set[tuple[str, str]]


async def compare(months: Months, manner: Manner = Manner.LIST, by: str | None = "tester") -> Found:
    """The differences after a comparison, as (kind, number)."""
    await months.begin(manner, by)
    for _ in range(5):
        if await months.reconciler.go_on(*months.place):
            break
        months.clock.advance(300)
    assert (await months.content()).open_run() is None
    return {(row.kind, row.number) for row in await months.ledger.findings(SELLER)}


def test_two_books_that_agree_show_nothing() -> None:
    async def story() -> None:
        months = Months()
        for _ in range(7):
            months.both()
        months.both("-20.00")
        assert await compare(months) == set()
        run = (await months.content()).run
        assert run is not None
        assert (run.outcome, run.checked, run.manner) == (Outcome.AGREES, 8, Manner.LIST)
        assert len(await months.events("reconcile.ended")) == 1

    asyncio.run(story())


def test_each_of_the_five_differences_is_found_and_named() -> None:
    async def story() -> None:
        months = Months()
        gone = months.ours()
        unknown_here = months.both()
        months.forget(unknown_here)
        other = months.ours()
        months.theirs(other, amount=Decimal("101.00"), total=Decimal("107.00"))
        stuck = months.ours(state=State.UNKNOWN)
        found = await compare(months)
        assert found == {
            ("missing_there", gone.number),
            ("missing_here", unknown_here.number),
            ("different", other.number),
            ("stuck_unknown", stuck.number),
        }  # counts are within what may be, while one is on its way
        rows = {row.kind: row for row in await months.ledger.findings(SELLER)}
        assert rows["different"].ours == {"amount": "100.00", "total": "106.00"}
        assert rows["different"].theirs == {"amount": "101.00", "total": "107.00"}
        assert rows["missing_here"].theirs["total"] == "106.00"
        assert rows["missing_here"].order is None
        assert rows["missing_there"].order == gone.order

    asyncio.run(story())


def test_a_total_that_is_off_by_one_is_named_by_colour_and_figure() -> None:
    async def story() -> None:
        months = Months()
        months.both()
        months.both("-20.00")
        totals = months.bureau.totals[MONTH]
        months.bureau.totals[MONTH] = replace(totals, red_count=2, blue_tax=Decimal("6.01"))
        assert await compare(months) == {("month_total_off", "")}
        (row,) = await months.ledger.findings(SELLER)
        assert row.ours == {"blue_tax": "6.00", "red_count": "1"}
        assert row.theirs == {"blue_tax": "6.01", "red_count": "2"}

    asyncio.run(story())


def test_totals_by_night_lead_to_the_list_when_they_differ_and_a_request_is_left() -> None:
    async def story() -> None:
        months = Months()
        gone = months.ours()
        found = await compare(months, Manner.TOTALS)
        assert found == {("missing_there", gone.number), ("month_total_off", "")}
        assert len(months.bureau.applied) == 2  # one for each kind
        months.clock.advance(60)
        assert await compare(months, Manner.TOTALS) == found  # no second request in a day: what was found stays
        assert len(months.bureau.applied) == 2

    asyncio.run(story())


def test_by_night_what_is_stuck_is_found_without_a_list() -> None:
    async def story() -> None:
        months = Months()
        stuck, other = months.ours(state=State.UNKNOWN), months.ours(state=State.CONFLICT)
        months.ours(state=State.UNKNOWN, unknown_since=NOW, deadline=NOW + timedelta(hours=40))
        found = await compare(months, Manner.TOTALS)
        assert found == {("stuck_unknown", stuck.number), ("different", other.number)}
        assert months.bureau.applied == []

    asyncio.run(story())


def test_a_finding_is_an_event_once_and_cleared_when_it_is_gone() -> None:
    async def story() -> None:
        months = Months()
        gone = months.ours()
        await compare(months)
        months.clock.advance(86400)
        await compare(months)
        months.theirs(gone)
        months.clock.advance(86400)
        assert await compare(months) == set()
        told = {"finding": "missing_there", "number": gone.number, "channel": "pretend", "month": MONTH}
        found = [event for event in await months.events("reconcile.found") if event["number"]]
        assert found == [told]
        assert [event for event in await months.events("reconcile.cleared") if event["number"]] == [told]

    asyncio.run(story())


def test_no_content_of_either_side_is_in_an_event() -> None:
    async def story() -> None:
        months = Months()
        other = months.ours()
        months.theirs(other, buyer_name="某某个人", total=Decimal("987.65"))
        await compare(months)
        text = repr([event.data for event in await months.ledger.events(taxpayer=SELLER)])
        assert "某某" not in text
        assert "987.65" not in text
        assert "106.00" not in text

    asyncio.run(story())


def test_what_is_on_its_way_is_no_difference() -> None:
    async def story() -> None:
        months = Months()
        months.both()
        there = months.ours(state=State.SUBMITTED)
        months.theirs(there)
        months.ours(state=State.ISSUED)
        young = months.ours(state=State.UNKNOWN, unknown_since=NOW, deadline=NOW + timedelta(hours=40))
        months.theirs(young)
        months.ours(accepted_at=NOW + timedelta(seconds=1))  # confirmed after the list was applied for
        assert await compare(months) == set()

    asyncio.run(story())


def test_an_invoice_that_we_believe_refused_and_the_bureau_holds_is_named_with_its_order() -> None:
    async def story() -> None:
        months = Months()
        refused = months.ours(state=State.REJECTED)
        months.theirs(refused)
        assert ("missing_here", refused.number) in await compare(months)
        row = next(row for row in await months.ledger.findings(SELLER) if row.number)
        assert (row.order, row.ours, row.theirs) == (refused.order, {"state": "rejected"}, {"state": "held"})

    asyncio.run(story())


def test_what_the_list_lacks_is_asked_about_before_it_is_called_missing() -> None:
    async def story() -> None:
        months = Months()
        late = months.ours()
        months.theirs(late)
        months.bureau.lists.clear()  # the list lags behind
        assert await compare(months) == set()
        assert [number for _, number in months.bureau.asked] == [late.number]

    asyncio.run(story())


def test_without_a_list_each_number_is_asked_and_what_was_not_looked_for_stays() -> None:
    async def story() -> None:
        months = Months()
        stranger = months.both()
        months.forget(stranger)
        assert ("missing_here", stranger.number) in await compare(months)
        gone, other = months.ours(), months.ours()
        months.theirs(other, content_digest=b"x" * 32)
        months.both()
        found = await compare(months)  # the second of a day: number by number
        run = (await months.content()).run
        assert run is not None
        assert run.manner is Manner.NUMBERS
        assert {("missing_here", stranger.number), ("missing_there", gone.number), ("different", other.number)} <= found

    asyncio.run(story())


def lost(months: Months, answer: Answer[str]) -> None:
    """The next applications meet this answer; the bureau has taken them all the same."""
    apply = months.bureau.apply_list

    async def applied(taxpayer: str, month: str, kind: str) -> Answer[str]:
        await apply(taxpayer, month, kind)
        return answer

    months.bureau.apply_list = applied  # type: ignore[method-assign]


@pytest.mark.parametrize("heard", [Heard.AMBIGUOUS, Heard.RETRY, Heard.REJECTED])
def test_an_application_whose_answer_was_lost_is_spent(heard: Heard) -> None:
    async def story() -> None:
        months = Months()
        gone = months.ours()
        lost(months, Answer(heard, code="x"))
        found = await compare(months)
        assert ("missing_there", gone.number) in found  # number by number
        months.clock.advance(60)
        await compare(months)
        assert len(months.bureau.applied) == 1
        assert len((await months.content()).requests) == 1

    asyncio.run(story())


def test_an_application_that_surely_did_not_arrive_costs_nothing() -> None:
    async def story() -> None:
        months = Months()
        months.both()
        months.bureau.down = True
        await months.begin(Manner.LIST)
        assert await months.reconciler.go_on(*months.place) == 0
        assert (await months.content()).requests == ()
        months.bureau.down = False
        assert await months.reconciler.go_on(*months.place) == 1
        assert len((await months.content()).requests) == 2

    asyncio.run(story())


class Killed(Exception):
    """The process ended here."""


@pytest.mark.parametrize("at", range(12))
def test_a_run_that_is_killed_anywhere_is_gone_on_with_and_spends_no_second_request(at: int) -> None:
    async def story() -> None:
        months = Months()
        gone = months.ours()
        for _ in range(4):
            months.both()
        await months.begin(Manner.LIST)
        calls, seen = months.calls.ask, 0

        async def dying(taxpayer: str, channel: str, service: str, call: Callable[[], object]) -> object:
            nonlocal seen
            seen += 1
            if seen - 1 == at // 2:
                if at % 2:
                    await calls(taxpayer, channel, service, call)  # type: ignore[arg-type]
                raise Killed
            return await calls(taxpayer, channel, service, call)  # type: ignore[arg-type]

        months.calls.ask = dying  # type: ignore[method-assign]
        try:
            await months.reconciler.go_on(*months.place)
        except Killed:
            months = months.of_store()
            for _ in range(3):
                if await months.reconciler.go_on(*months.place):
                    break
        assert (await months.content()).open_run() is None
        found = {(row.kind, row.number) for row in await months.ledger.findings(SELLER)}
        assert found == {("missing_there", gone.number), ("month_total_off", "")}
        kinds = [kind for _, _, kind in months.bureau.applied]
        assert len(kinds) == len(set(kinds))

    asyncio.run(story())


def test_a_list_that_is_being_made_is_looked_at_again_later() -> None:
    async def story() -> None:
        months = Months()
        months.both()
        fetch, looks = months.bureau.list_packet, 0

        async def slow(taxpayer: str, ticket: str, packet: int) -> Answer[ListPacket]:
            nonlocal looks
            looks += 1
            return await fetch(taxpayer, ticket, packet) if looks > 1 else Answer(Heard.IN_PROGRESS, code="10")

        months.bureau.list_packet = slow  # type: ignore[method-assign]
        await months.begin(Manner.LIST)
        assert await months.reconciler.go_on(*months.place) == 0
        assert await months.reconciler.go_on(*months.place) == 0
        assert looks == 1  # not before its time
        months.clock.advance(240)
        assert await months.reconciler.go_on(*months.place) == 1

    asyncio.run(story())


def test_while_a_list_is_being_made_nothing_is_written_again_and_again() -> None:
    """Each look, every five seconds, was a commit, for hours, for every taxpayer of the platform."""

    async def story() -> None:
        months = Months()
        months.both()

        async def slow(taxpayer: str, ticket: str, packet: int) -> Answer[ListPacket]:
            return Answer(Heard.IN_PROGRESS, code="10")

        months.bureau.list_packet = slow  # type: ignore[method-assign]
        await months.begin(Manner.LIST)
        versions = []
        for _ in range(20):
            await months.reconciler.go_on(*months.place)
            months.clock.advance(5)
            book = await months.ledger.month_book(*months.place)
            versions.append(book.version if book else 0)
        assert versions[0] == versions[-1]

    asyncio.run(story())


def test_a_month_of_several_packets_is_read_whole() -> None:
    async def story() -> None:
        months = Months()
        for _ in range(7):
            months.both()
        gone = months.ours()
        months.bureau.list_size = 3
        assert await compare(months) == {("missing_there", gone.number), ("month_total_off", "")}
        run = (await months.content()).run
        assert run is not None
        assert run.checked == 7

    asyncio.run(story())


def test_what_could_not_be_asked_about_is_not_judged() -> None:
    async def story() -> None:
        months = Months()
        record = months.ours()
        await compare(months)
        months.clock.advance(86400)

        async def unsure(*_: object) -> Answer[None]:
            return Answer(Heard.RETRY, code="99")

        months.bureau.ask = unsure  # type: ignore[method-assign, assignment]
        months.bureau.totals.clear()
        assert ("missing_there", record.number) in await compare(months)  # nothing says that it is gone
        run = (await months.content()).run
        assert run is not None
        assert run.unjudged == 1

    asyncio.run(story())


def test_who_does_not_hold_the_taxpayer_asks_nothing() -> None:
    async def story() -> None:
        months = Months()
        months.ours()
        months.calls.ours = False
        await months.begin(Manner.LIST)
        assert await months.reconciler.go_on(*months.place) == 0
        assert await months.watch.round() == 0
        assert months.bureau.applied == []
        assert await months.ledger.findings(SELLER) == []

    asyncio.run(story())


def test_of_two_wishes_for_a_comparison_one_is_made() -> None:
    async def story() -> None:
        months = Months()
        other = months.of_store()
        wishes = [m.begin(Manner.TOTALS, who) for m, who in ((months, "a"), (other, "b"))]
        first, second = await asyncio.gather(*wishes)
        assert first.id == second.id

    asyncio.run(story())


SIDES = st.lists(st.sampled_from(["both", "ours", "theirs", "amount", "digest"]), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sides=SIDES, size=st.integers(1, 5), manner=st.sampled_from([Manner.LIST, Manner.NUMBERS]))
def test_of_any_two_books_exactly_the_true_differences_are_found(sides: list[str], size: int, manner: Manner) -> None:
    async def story() -> None:
        months = Months()
        months.bureau.list_size = size
        true: set[tuple[str, str | None]] = set()
        for side in sides:
            record = months.ours()
            if side == "ours":
                true.add((Kind.MISSING_THERE, record.number))
                continue
            changes: dict[str, dict[str, object]] = {
                "amount": {"amount": Decimal("1.00"), "total": Decimal("7.00")},
                "digest": {"content_digest": b"d" * 32},
            }
            months.theirs(record, **changes.get(side, {}))
            if side in changes:
                true.add((Kind.DIFFERENT, record.number))
            if side == "theirs":
                months.forget(record)
                if manner is Manner.LIST:
                    true.add((Kind.MISSING_HERE, record.number))
        found = await compare(months, manner)
        assert {(kind, number) for kind, number in found if number} == true
        off = sides.count("ours") != sides.count("theirs") or "amount" in sides
        assert (("month_total_off", "") in found) == off

    asyncio.run(story())


def test_every_night_the_totals_and_on_named_days_the_list() -> None:
    async def story() -> None:
        months = Months()
        months.both()
        started = datetime(2026, 11, 6, 18, 59, tzinfo=UTC)  # 02:59 on the 7th in Shanghai
        months.clock._now = started
        seen = []
        for _ in range(4):
            await months.watch.round()
            run = (await months.content()).run
            seen.append(run.manner if run else None)
            months.clock.advance(60 if len(seen) == 1 else 86400)
        assert seen == [Manner.TOTALS, Manner.LIST, Manner.TOTALS, Manner.TOTALS]
        run = (await months.content()).run
        await months.watch.round()
        await months.watch.round()
        assert run != (await months.content()).run  # of a further night, once

    asyncio.run(story())


def test_requests_left_are_counted_by_day_and_month() -> None:
    async def story() -> None:
        months = Months()
        months.both()
        manners = []
        for _ in range(7):
            await compare(months)
            run = (await months.content()).run
            assert run is not None
            manners.append(run.manner)
            months.clock.advance(86400)
        assert manners == [Manner.LIST] * 5 + [Manner.NUMBERS] * 2  # five of the month that it is

    asyncio.run(story())
