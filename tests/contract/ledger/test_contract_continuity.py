"""Checkpoints, events of the platform and hours: what every ledger promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.cover import keep_hours
from kaipiao.issuing.demand import FOUR_WEEKS, LAST_HOUR, Rate, demand_of
from kaipiao.ledger.continuity import HOUR, Checkpoint, HourTotal
from kaipiao.ledger.port import EventDraft
from ledger_books import CHANNEL, NOW, OTHER_TAXPAYER, TAXPAYER, Books, on_every_ledger

WEEKS_AGO = NOW - timedelta(days=28)


def told(kind: str, taxpayer: str | None = None, **data: str) -> EventDraft:
    return EventDraft(kind, NOW, taxpayer, None, data)


@on_every_ledger
async def test_of_nodes_that_worked_out_the_same_thing_one_writes_it_with_its_events(books: Books) -> None:
    assert await books.ledger.checkpoint("modes") is None
    saving = [
        ledger.save_checkpoint("modes", 0, f"from {n}", [told("mode.changed", n=str(n))])
        for n, ledger in enumerate((books.ledger, books.other, books.ledger))
    ]
    held = await asyncio.gather(*saving)
    assert sorted(held) == [False, False, True]
    winner = held.index(True)
    assert await books.other.checkpoint("modes") == Checkpoint(1, f"from {winner}")
    (event,) = await books.ledger.signals(["mode.changed"])
    assert event.data == {"n": str(winner)}


@on_every_ledger
async def test_a_checkpoint_changes_only_for_who_knows_it_and_names_are_apart(books: Books) -> None:
    assert await books.ledger.save_checkpoint("a", 0, "1", [])
    assert await books.other.save_checkpoint("a", 1, "2", [])
    assert not await books.ledger.save_checkpoint("a", 1, "3", [told("mode.changed")])
    assert not await books.ledger.save_checkpoint("b", 1, "3", [told("mode.changed")])
    assert await books.ledger.checkpoint("a") == Checkpoint(2, "2")
    assert await books.ledger.checkpoint("b") is None
    assert await books.ledger.signals(["mode.changed"]) == []


@on_every_ledger
async def test_events_of_the_platform_come_by_kind_in_order_and_page(books: Books) -> None:
    await books.ledger.append_events([told("breaker.opened", n="1"), told("other"), told("breaker.opened", TAXPAYER)])
    await books.other.append_events([told("breaker.closed", n="2")])
    kinds = ["breaker.opened", "breaker.closed"]
    found = await books.other.signals(kinds)
    assert [(e.kind, e.data) for e in found] == [("breaker.opened", {"n": "1"}), ("breaker.closed", {"n": "2"})]
    assert await books.other.signals(kinds, limit=1) == found[:1]
    assert await books.other.signals(kinds, after=found[0].position) == found[1:]
    assert await books.other.signals([]) == []


@on_every_ledger
async def test_the_oldest_debts_are_those_of_who_was_asked_for(books: Books) -> None:
    block = await books.block(3)
    later, first = NOW + HOUR, NOW + timedelta(minutes=1)
    await books.admit(books.order(block, 0, made_at=later), books.order(block, 1, made_at=first))
    assert await books.other.oldest_debts([TAXPAYER, OTHER_TAXPAYER]) == {TAXPAYER: first}
    assert await books.other.oldest_debts([OTHER_TAXPAYER]) == {}
    for record in await books.ledger.page(TAXPAYER):
        sent = await books.advance(record, State.UPLOADING)
        await books.advance(sent, State.CONFIRMED)
    assert await books.other.oldest_debts([TAXPAYER]) == {}


@on_every_ledger
async def test_a_debt_is_of_the_taxpayer_and_the_channel(books: Books) -> None:
    block = await books.block(3)
    later, first = NOW + HOUR, NOW + timedelta(minutes=1)
    await books.admit(books.order(block, 0, made_at=later), books.order(block, 1, made_at=first))
    places = [(TAXPAYER, CHANNEL), (TAXPAYER, "another"), (OTHER_TAXPAYER, CHANNEL)]
    assert await books.other.debts_of(places) == {(TAXPAYER, CHANNEL): first}
    assert await books.other.debts_of([]) == {}
    for record in await books.ledger.page(TAXPAYER):
        sent = await books.advance(record, State.UPLOADING)
        assert await books.other.debts_of(places), "one that is being uploaded is a debt"
        await books.advance(sent, State.CONFIRMED)
    assert await books.other.debts_of(places) == {}


@on_every_ledger
async def test_hours_are_counted_once_from_the_first_invoice_on_with_what_each_took(books: Books) -> None:
    await books.download(1000)
    block = await books.block(5)
    at = [NOW + timedelta(minutes=59), NOW + HOUR, NOW + 3 * HOUR, NOW + 3 * HOUR]
    orders = [books.order(block, n, made_at=made, quota=Decimal(f"{n + 1}.50")) for n, made in enumerate(at)]
    await books.admit(*orders, books.unnumbered(made_at=NOW + HOUR))
    assert await books.ledger.keep_hours(TAXPAYER, WEEKS_AGO, NOW + 3 * HOUR) == 3
    assert await books.other.keep_hours(TAXPAYER, WEEKS_AGO, NOW + 3 * HOUR) == 0
    wanted = [NOW + HOUR * n for n in range(-1, 5)]
    expected = [
        HourTotal(NOW, 1, Decimal("1.50")),
        HourTotal(NOW + HOUR, 1, Decimal("2.50")),
        HourTotal(NOW + 2 * HOUR, 0, Decimal("0.00")),
    ]
    assert await books.other.hours(TAXPAYER, wanted) == expected
    assert await books.other.hours(OTHER_TAXPAYER, wanted) == []
    assert await books.other.keep_hours(TAXPAYER, WEEKS_AGO, NOW + 4 * HOUR) == 1
    assert await books.other.hours(TAXPAYER, [NOW + 3 * HOUR]) == [HourTotal(NOW + 3 * HOUR, 2, Decimal("8.00"))]


@on_every_ledger
async def test_who_has_no_invoices_has_no_hours_and_a_long_gap_is_counted_in_steps(books: Books) -> None:
    assert await books.ledger.keep_hours(TAXPAYER, WEEKS_AGO, NOW) == 0
    block = await books.block(1)
    await books.admit(replace(books.order(block), made_at=NOW))
    end: datetime = NOW + 100 * HOUR
    counted = [await books.ledger.keep_hours(TAXPAYER, WEEKS_AGO, end) for _ in range(4)]
    assert counted == [48, 48, 4, 0]
    later = end + timedelta(days=40)
    assert await books.ledger.keep_hours(TAXPAYER, later - timedelta(days=28), later) == 48
    assert await books.ledger.hours(TAXPAYER, [NOW]) == [], "what is older than four weeks is forgotten"


@on_every_ledger
async def test_the_rate_of_an_hour_comes_from_four_weeks_that_were_counted_from_the_invoices(books: Books) -> None:
    """Sold: on four Thursdays at noon 1, 2, 3, 1; on one at 13:00; on a Wednesday at noon 5."""
    await books.download(1000)
    block = await books.block(13)
    noon = [NOW - timedelta(days=7 * n, minutes=-30) for n in (1, 2, 2, 3, 3, 3, 4)]
    others = [NOW - timedelta(days=7) + HOUR, *[NOW - timedelta(days=8)] * 5]
    made = sorted([*noon, *others])
    await books.admit(
        *(books.order(block, n, made_at=at, quota=Decimal("1.00")) for n, at in enumerate(made)),
    )
    while not await keep_hours(books.other, TAXPAYER, NOW + timedelta(minutes=10)):
        continue
    demand = await demand_of(books.ledger, TAXPAYER, NOW + timedelta(minutes=15))
    assert demand.now == Rate(3, Decimal("3.00"), FOUR_WEEKS, 4)
    assert demand.gone == 0.25
    assert [(rate.invoices, rate.samples) for rate in demand.hours[1:3]] == [(1, 4), (0, 4)]
    assert demand.hours[6 * 24].invoices == 5, "on Wednesday"
    assert sum(rate.invoices for rate in demand.hours) == 3 + 1 + 5
    assert (await demand_of(books.ledger, OTHER_TAXPAYER, NOW)).now == Rate(0, Decimal("0.00"), LAST_HOUR, 1)


@on_every_ledger
async def test_it_is_known_which_node_works_for_whom(books: Books) -> None:
    assert await books.ledger.shard_holders() == {}
    await books.ledger.hold_shards("a", [TAXPAYER, OTHER_TAXPAYER], 15.0)
    assert await books.other.shard_holders() == {TAXPAYER: "a", OTHER_TAXPAYER: "a"}
    await books.ledger.release_shards("a", [TAXPAYER])
    assert await books.other.shard_holders() == {OTHER_TAXPAYER: "a"}
