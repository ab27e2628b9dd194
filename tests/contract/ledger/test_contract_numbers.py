"""Numbers, blocks and epochs: what every ledger promises (design: numbers, ownership and commit)."""

from __future__ import annotations

import pytest

from kaipiao.errors import BooksContradicted, Internal
from kaipiao.ledger.port import AdmitOutcome, NumberCounts, SegmentRequest
from ledger_books import CHANNEL, NOW, OTHER_TAXPAYER, TAXPAYER, YEAR, Books, number, on_every_ledger


def request(serial: str, quantity: int = 10, year: int = YEAR) -> SegmentRequest:
    return SegmentRequest(TAXPAYER, CHANNEL, year, serial, quantity)


async def counts(books: Books, year: int = YEAR) -> NumberCounts:
    found = await books.ledger.number_counts(TAXPAYER, CHANNEL, year)
    assert found.pulled == found.free + found.leased + found.used + found.expired
    return found


@on_every_ledger
async def test_an_unanswered_request_is_returned_instead_of_a_new_one(books: Books) -> None:
    assert await books.ledger.open_segment_request(request("s1", 5), NOW) == request("s1", 5)
    assert await books.ledger.open_segment_request(request("s2", 9), NOW) == request("s1", 5)
    assert await books.ledger.open_segment_request(request("s3", 9, 2027), NOW) == request("s3", 9, 2027)
    await books.ledger.fill_segment(TAXPAYER, "s1", number(1), number(5), NOW)
    assert await books.ledger.open_segment_request(request("s2", 9), NOW) == request("s2", 9)


@on_every_ledger
async def test_the_same_answer_twice_counts_once(books: Books) -> None:
    await books.ledger.open_segment_request(request("s1"), NOW)
    for _ in range(2):
        await books.ledger.fill_segment(TAXPAYER, "s1", number(1), number(10), NOW)
    assert await counts(books) == NumberCounts(pulled=10, free=10, leased=0, used=0, expired=0)


@on_every_ledger
async def test_answers_that_contradict_the_books_are_refused_and_change_nothing(books: Books) -> None:
    await books.pull(10)
    await books.ledger.open_segment_request(request("s2"), NOW)
    for first, last in ((10, 19), (1, 10), (3, 4), (0, 99)):
        with pytest.raises(BooksContradicted):
            await books.ledger.fill_segment(TAXPAYER, "s2", number(first), number(last), NOW)
    for first_text, last_text in ((number(30), number(20)), ("2600", "2699"), (number(20), "２" * 20), ("", "")):
        with pytest.raises(BooksContradicted):
            await books.ledger.fill_segment(TAXPAYER, "s2", first_text, last_text, NOW)
    with pytest.raises(Internal):
        await books.ledger.fill_segment(TAXPAYER, "never asked", number(50), number(60), NOW)
    assert (await counts(books)).pulled == 10
    await books.ledger.fill_segment(TAXPAYER, "s2", number(11), number(20), NOW)
    with pytest.raises(BooksContradicted):
        await books.ledger.fill_segment(TAXPAYER, "s2", number(21), number(30), NOW)
    assert (await counts(books)).pulled == 20


@on_every_ledger
async def test_a_serial_is_used_for_one_request_only(books: Books) -> None:
    await books.ledger.open_segment_request(request("s1"), NOW)
    await books.ledger.fill_segment(TAXPAYER, "s1", number(1), number(10), NOW)
    with pytest.raises(BooksContradicted):
        await books.ledger.open_segment_request(request("s1"), NOW)
    with pytest.raises(Internal):
        await books.ledger.open_segment_request(request("s9", 0), NOW)


@on_every_ledger
async def test_blocks_of_two_nodes_never_share_a_number(books: Books) -> None:
    await books.pull(25)
    one = await books.ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "a", 10, 30)
    two = await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 30)
    three = await books.ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "a", 10, 30)
    assert one is not None
    assert two is not None
    assert three is not None
    assert [len(b.numbers) for b in (one, two, three)] == [10, 10, 5]
    assert len({*one.numbers, *two.numbers, *three.numbers}) == 25
    assert await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 30) is None
    assert await counts(books) == NumberCounts(pulled=25, free=0, leased=25, used=0, expired=0)


@on_every_ledger
async def test_nothing_is_leased_of_another_taxpayer_channel_or_year(books: Books) -> None:
    await books.pull(5)
    for place in ((OTHER_TAXPAYER, CHANNEL, YEAR), (TAXPAYER, "other", YEAR), (TAXPAYER, CHANNEL, 2027)):
        assert await books.ledger.lease_block(*place, "a", 5, 30) is None


@on_every_ledger
async def test_a_takeover_raises_the_epoch_and_leaves_out_what_is_used(books: Books) -> None:
    await books.pull(10)
    block = await books.lease(size=10)
    await books.admit(books.order(block, 0), books.order(block, 3))
    books.lease_clock.seconds += 29
    assert await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 30) is None
    books.lease_clock.seconds += 2
    assert (await counts(books)).free == 8
    taken = await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 30)
    assert taken is not None
    assert (taken.id, taken.epoch) == (block.id, block.epoch + 1)
    assert taken.numbers == tuple(n for i, n in enumerate(block.numbers) if i not in (0, 3))
    late, fresh = books.order(block, 5), books.order(taken, 0)
    assert [r.outcome for r in await books.ledger.admit([late, fresh])] == [AdmitOutcome.FENCED, AdmitOutcome.ADMITTED]
    assert await counts(books) == NumberCounts(pulled=10, free=0, leased=7, used=3, expired=0)


@on_every_ledger
async def test_a_commit_of_an_owner_that_woke_up_too_late_changes_nothing(books: Books) -> None:
    """The order is then admitted by the new owner under another number: no order with two numbers, none lost."""
    block = await books.block()
    sleeping = books.order(block, 0)
    books.lease_clock.seconds += 31
    taken = await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 30)
    assert taken is not None
    again = books.order(taken, 4, order=sleeping.order)
    assert [r.outcome for r in await books.other.admit([again])] == [AdmitOutcome.ADMITTED]
    (answer,) = await books.ledger.admit([sleeping])
    assert answer.outcome is AdmitOutcome.KNOWN
    assert answer.record is not None
    assert answer.record.number == taken.numbers[4]


@on_every_ledger
async def test_a_lease_that_is_renewed_is_not_taken_over(books: Books) -> None:
    block = await books.block()
    key = (TAXPAYER, block.id)
    for _ in range(3):
        books.lease_clock.seconds += 20
        assert await books.ledger.renew_blocks("a", {key: block.epoch}, 30) == {key}
    assert await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 30) is None
    assert await books.ledger.renew_blocks("b", {key: block.epoch}, 30) == set()
    assert await books.ledger.renew_blocks("a", {key: block.epoch + 1, (TAXPAYER, 99): 1}, 30) == set()
    books.lease_clock.seconds += 31
    assert await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 30) is not None
    assert await books.ledger.renew_blocks("a", {key: block.epoch}, 30) == set()


@on_every_ledger
async def test_after_a_crash_a_node_takes_its_blocks_back_under_a_new_epoch(books: Books) -> None:
    await books.pull(20)
    mine, others = await books.lease("a"), await books.lease("b")
    assert await books.ledger.reclaim_blocks("a") == 1
    assert await books.ledger.reclaim_blocks("a") == 0
    again = await books.lease("a")
    assert (again.id, again.epoch) == (mine.id, mine.epoch + 2)
    held = books.order(others, 0)
    assert [r.outcome for r in await books.ledger.admit([books.order(mine, 0), held])] == [
        AdmitOutcome.FENCED,
        AdmitOutcome.ADMITTED,
    ]


@on_every_ledger
async def test_released_blocks_are_free_for_another_node_at_once(books: Books) -> None:
    block = await books.block()
    await books.ledger.release_blocks("a")
    assert await counts(books) == NumberCounts(pulled=10, free=10, leased=0, used=0, expired=0)
    assert [r.outcome for r in await books.ledger.admit([books.order(block)])] == [AdmitOutcome.FENCED]
    taken = await books.lease("b")
    assert taken.id == block.id


@on_every_ledger
async def test_a_used_up_block_is_not_handed_out_again(books: Books) -> None:
    block = await books.block(2)
    await books.admit(books.order(block, 0), books.order(block, 1))
    await books.ledger.release_blocks("a")
    assert await books.ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 2, 30) is None


@on_every_ledger
async def test_numbers_of_earlier_years_expire_and_their_holders_are_fenced(books: Books) -> None:
    await books.pull(15, year=2025)
    await books.pull(5)
    old = await books.lease(size=10, year=2025)
    kept = await books.lease(size=5)
    await books.admit(books.order(old, 0))
    assert await books.ledger.expire_numbers(TAXPAYER, CHANNEL, YEAR) == 14
    assert await books.ledger.expire_numbers(TAXPAYER, CHANNEL, YEAR) == 0
    assert await counts(books, 2025) == NumberCounts(pulled=15, free=0, leased=0, used=1, expired=14)
    assert await counts(books) == NumberCounts(pulled=5, free=0, leased=5, used=0, expired=0)
    results = await books.ledger.admit([books.order(old, 1), books.order(kept, 0)])
    assert [r.outcome for r in results] == [AdmitOutcome.FENCED, AdmitOutcome.ADMITTED]
    assert await books.ledger.lease_block(TAXPAYER, CHANNEL, 2025, "a", 5, 30) is None


@on_every_ledger
async def test_a_lease_clock_that_runs_backwards_costs_time_but_no_number(books: Books) -> None:
    block = await books.block()
    books.lease_clock.seconds -= 500
    assert await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 30) is None
    await books.admit(books.order(block))
    assert (await counts(books)).used == 1
