"""Shards, nodes and standings: what every ledger promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from kaipiao.errors import Internal
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import Holding, InvoiceRecord, Ledger, Standing
from ledger_books import NOW, OTHER_TAXPAYER, TAXPAYER, Books, advance, on_every_ledger

SECONDS = 15.0
SELLERS = [f"9133010600000000{n:02d}" for n in range(10)]


async def hold(ledger: Ledger, node: str, count: int = 4, **more: list[str]) -> Holding:
    return await ledger.hold_shards(node, SELLERS[:count], SECONDS, **more)


async def settle(books: Books, *nodes: str, count: int = 4, rounds: int = 3) -> dict[str, frozenset[str]]:
    """Rounds of these nodes as they go on in life; what each holds in the end."""
    mine: dict[str, frozenset[str]] = {}
    for _ in range(rounds):
        for place, node in enumerate(nodes):
            ledger = books.other if place % 2 else books.ledger
            holding = await hold(ledger, node, count)
            gone = sorted(holding.mine)[: holding.surplus]
            if gone:
                await ledger.release_shards(node, gone)
            mine[node] = holding.mine - set(gone)
    return mine


@on_every_ledger
async def test_a_node_alone_holds_everything_at_once(books: Books) -> None:
    holding = await hold(books.ledger, "a")
    assert holding == Holding(frozenset(SELLERS[:4]), frozenset(), 0, frozenset({"a"}))
    assert (await books.ledger.hold_shards("a", [], SECONDS)).mine == holding.mine


@on_every_ledger
async def test_what_one_holds_another_does_not_get(books: Books) -> None:
    await hold(books.ledger, "a")
    other = await hold(books.other, "b")
    assert other == Holding(frozenset(), frozenset(), 0, frozenset({"a", "b"}))


@on_every_ledger
async def test_a_node_that_joins_gets_its_share_when_the_first_lets_it_go(books: Books) -> None:
    await hold(books.ledger, "a")
    await hold(books.other, "b")
    first = await hold(books.ledger, "a")
    assert first.surplus == 2
    await books.ledger.release_shards("a", SELLERS[:2])
    second = await hold(books.other, "b")
    assert second.mine == set(SELLERS[:2])
    assert (await hold(books.ledger, "a")).mine == set(SELLERS[2:4])


@on_every_ledger
async def test_a_node_that_died_is_relieved_when_its_lease_is_over_and_not_before(books: Books) -> None:
    before = await settle(books, "a", "b")
    books.lease_clock.seconds += SECONDS - 1
    assert (await hold(books.other, "b")).mine == before["b"]
    books.lease_clock.seconds += 1
    after = await hold(books.other, "b")
    assert after.mine == set(SELLERS[:4])
    assert after.present == {"a", "b"}  # a call of it may still be under way
    books.lease_clock.seconds += SECONDS
    assert (await hold(books.other, "b")).present == {"b"}


@on_every_ledger
async def test_who_comes_late_but_before_another_took_it_keeps_what_it_held(books: Books) -> None:
    await hold(books.ledger, "a")
    books.lease_clock.seconds += 10 * SECONDS
    assert (await hold(books.ledger, "a")).mine == set(SELLERS[:4])


@on_every_ledger
async def test_who_comes_too_late_has_lost_it(books: Books) -> None:
    await settle(books, "a", "b")
    books.lease_clock.seconds += SECONDS
    await hold(books.other, "b")
    late = await hold(books.ledger, "a")
    assert late.mine == frozenset()


@on_every_ledger
async def test_the_successor_of_a_killed_process_has_its_shards_at_once(books: Books) -> None:
    before = await settle(books, "a", "b")
    assert (await hold(books.other, "a")).mine == before["a"]


@on_every_ledger
async def test_a_clean_shutdown_hands_over_at_once(books: Books) -> None:
    await settle(books, "a", "b")
    await books.ledger.release_shards("a")
    after = await hold(books.other, "b")
    assert after.mine == set(SELLERS[:4])
    assert after.present == {"b"}


@on_every_ledger
async def test_nobody_lets_go_what_another_holds(books: Books) -> None:
    await hold(books.ledger, "a")
    await books.other.release_shards("b", SELLERS[:4])
    await books.other.release_shards("b")
    assert (await hold(books.other, "b")).mine == frozenset()


@on_every_ledger
async def test_shards_are_shared_out_evenly_and_then_stay_where_they_are(books: Books) -> None:
    for nodes, count in ((("a", "b"), 7), (("a", "b", "c"), 10), (("a", "b", "c", "d"), 10)):
        mine = await settle(books, *nodes, count=count, rounds=5)
        sizes = sorted(map(len, mine.values()))
        assert sum(sizes) == len(frozenset().union(*mine.values())) == count
        assert sizes[-1] - sizes[0] <= 1
        assert await settle(books, *nodes, count=count, rounds=3) == mine


@on_every_ledger
async def test_more_nodes_than_shards_leave_nobody_with_two(books: Books) -> None:
    mine = await settle(books, "a", "b", "c", count=2, rounds=4)
    assert sorted(map(len, mine.values())) == [0, 1, 1]


@on_every_ledger
async def test_a_shard_that_nobody_asks_for_any_more_is_still_worked_for(books: Books) -> None:
    await hold(books.ledger, "a", 4)
    await books.ledger.release_shards("a")
    assert (await books.other.hold_shards("b", SELLERS[:1], SECONDS)).mine == set(SELLERS[:4])


@on_every_ledger
async def test_the_holder_is_told_once_that_another_ran_short(books: Books) -> None:
    await settle(books, "a", "b", count=2)
    mine = sorted((await hold(books.ledger, "a", 2)).mine)
    await hold(books.other, "b", 2, short=[*mine, "91330106NOBODY"])
    assert (await hold(books.other, "b", 2)).short == frozenset()
    assert (await hold(books.ledger, "a", 2)).short == set(mine)
    assert (await hold(books.ledger, "a", 2)).short == frozenset()


@on_every_ledger
async def test_nodes_that_come_at_once_never_hold_the_same(books: Books) -> None:
    rounds = [hold(books.other if n % 2 else books.ledger, f"n{n % 5}", 10) for n in range(20)]
    await asyncio.gather(*rounds)
    mine = await settle(books, *(f"n{n}" for n in range(5)), count=10, rounds=5)
    assert sorted(map(len, mine.values())) == [2] * 5
    assert frozenset().union(*mine.values()) == set(SELLERS)


@on_every_ledger
async def test_what_the_bureau_said_of_a_taxpayer_is_known_to_all(books: Books) -> None:
    assert await books.other.standings() == {}
    await books.ledger.save_standing(TAXPAYER, "fxnsrlx=01", NOW)
    assert await books.other.standings() == {TAXPAYER: Standing("fxnsrlx=01", NOW)}
    await books.ledger.save_standing(TAXPAYER, None, NOW + timedelta(hours=1))
    await books.other.save_standing(TAXPAYER, "older\0", NOW)
    assert await books.other.standings() == {TAXPAYER: Standing(None, NOW + timedelta(hours=1))}
    await books.ledger.save_standing(TAXPAYER, "nul\0\\", NOW + timedelta(hours=2))
    assert (await books.other.standings())[TAXPAYER].refusal == "nul\0\\"


# --- whose turn it is -------------------------------------------------------------------------------------------------

THIRD_TAXPAYER = "91310115MA1K4EXA3B"


async def unknown(books: Books, taxpayer: str, minutes: list[int]) -> list[InvoiceRecord]:
    """UNKNOWN invoices of one taxpayer, each due so many minutes after NOW."""
    await books.pull(len(minutes), taxpayer=taxpayer)
    block = await books.lease(size=len(minutes), taxpayer=taxpayer)
    found = []
    for place, minute in enumerate(minutes):
        (record,) = await books.admit(books.order(block, place))
        record = await books.advance(record, State.UPLOADING)
        found.append(await books.advance(record, State.UNKNOWN, next_at=NOW + timedelta(minutes=minute)))
    return found


@on_every_ledger
async def test_one_taxpayer_with_much_that_is_due_does_not_crowd_out_the_others(books: Books) -> None:
    many = await unknown(books, TAXPAYER, list(range(20)))
    few = await unknown(books, OTHER_TAXPAYER, [30, 31])
    last = await unknown(books, THIRD_TAXPAYER, [50, 99])
    now = NOW + timedelta(hours=1)
    assert await books.ledger.due(State.UNKNOWN, now, 4) == [many[0], few[0], last[0], many[1]]
    each = await books.ledger.due(State.UNKNOWN, now, 100, each=3)
    assert each == [many[0], few[0], last[0], many[1], few[1], many[2]]


@on_every_ledger
async def test_what_is_due_is_read_only_of_the_taxpayers_that_were_asked_for(books: Books) -> None:
    await unknown(books, TAXPAYER, [0, 1])
    few = await unknown(books, OTHER_TAXPAYER, [2, 3])
    now = NOW + timedelta(hours=1)
    assert await books.ledger.due(State.UNKNOWN, now, 10, taxpayers={OTHER_TAXPAYER, "nobody"}) == few
    assert await books.ledger.due(State.UNKNOWN, now, 10, taxpayers=frozenset()) == []


@on_every_ledger
async def test_only_the_time_of_the_next_look_changes_without_an_event(books: Books) -> None:
    (record,) = await unknown(books, TAXPAYER, [0])
    before = await books.ledger.events(limit=10_000)
    later = NOW + timedelta(hours=2)
    silent = replace(advance(record, State.UNKNOWN, next_at=later), event=None)
    assert await books.ledger.advance([silent, silent]) == [True, False]
    record = await books.again(record)
    assert record.next_at == later
    assert await books.ledger.events(limit=10_000) == before
    for change in (
        advance(record, State.UNKNOWN, problem="x"),
        advance(record, State.CONFIRMED, next_at=None),
    ):
        with pytest.raises(Internal):
            await books.ledger.advance([replace(change, event=None)])
    assert await books.again(record) == record
