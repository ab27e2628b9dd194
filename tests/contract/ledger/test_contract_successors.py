"""Successors (R14): what every ledger promises."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from kaipiao.errors import Internal
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.problems import DIED
from kaipiao.ledger.changes import ABANDONED
from kaipiao.ledger.port import Admission, AdmitOutcome, Block, InvoiceRecord
from ledger_books import CHANNEL, MONTH, NOW, TAXPAYER, Books, advance, on_every_ledger, upload_end


async def refused(books: Books, block: Block, position: int = 0, *, cause: str | None = None) -> InvoiceRecord:
    """An invoice that was refused; it took 60.00 of the quota."""
    (first,) = await books.admit(books.order(block, position, quota=Decimal("60.00")))
    upload = await books.upload()
    assert upload is not None
    assert [record.id for record in upload.records] == [first.id]
    await books.ledger.end_upload(upload_end(upload, "rejected", cause=cause), [])
    return await books.advance(upload.records[0], State.REJECTED)


def successor(books: Books, block: Block, position: int, first: InvoiceRecord, **changes: object) -> Admission:
    """It waits for nobody to upload it."""
    later = {"order": first.order, "replaces": first.id, "next_at": None, **changes}
    return books.order(block, position, **later)


async def left(books: Books) -> Decimal:
    return (await books.ledger.quota(TAXPAYER, CHANNEL, MONTH)).left


@on_every_ledger
async def test_what_the_predecessor_took_of_the_quota_is_there_for_its_successor(books: Books) -> None:
    block = await books.block()
    await books.download("100.00")
    first = await refused(books, block)
    assert await left(books) == Decimal("40.00")
    (short,) = await books.ledger.admit([successor(books, block, 1, first, quota=Decimal("100.01"))])
    assert short.outcome is AdmitOutcome.QUOTA_SHORT
    assert (await books.again(first)).state is State.REJECTED  # nothing of it was stored
    assert await left(books) == Decimal("40.00")
    (record,) = await books.admit(successor(books, block, 2, first, quota=Decimal("100.00")))
    assert await left(books) == Decimal("0.00")
    assert record.replaces == first.id
    events = await books.ledger.events(taxpayer=TAXPAYER, subject=first.order)
    (told,) = [e for e in events if e.kind == "state.replaced"]
    assert told.data == {
        "id": first.id, "number": first.number, "successor": record.id, "successor_number": record.number,
        "released": "60.00",
    }  # fmt: skip


@on_every_ledger
async def test_a_smaller_successor_leaves_the_rest_of_the_quota(books: Books) -> None:
    block = await books.block()
    await books.download("100.00")
    first = await refused(books, block)
    await books.admit(successor(books, block, 1, first, quota=Decimal("10.00")))
    assert await left(books) == Decimal("90.00")


@on_every_ledger
async def test_a_successor_without_quota_gives_back_what_the_first_took(books: Books) -> None:
    block = await books.block()
    await books.download("100.00")
    first = await refused(books, block)
    await books.admit(successor(books, block, 1, first))
    assert await left(books) == Decimal("100.00")


@on_every_ledger
async def test_quota_of_a_month_that_is_over_is_not_given_back(books: Books) -> None:
    """The successor takes from the account of its own month; what is left of a month that is over lapses."""
    block = await books.block()
    await books.download("100.00")
    first = await refused(books, block)
    await books.admit(successor(books, block, 1, first, month="2026-04"))
    assert await left(books) == Decimal("40.00")


@on_every_ledger
async def test_many_successors_at_once_give_back_and_take_their_own(books: Books) -> None:
    block = await books.block()
    await books.download("120.00")
    firsts = [await refused(books, block, position) for position in (0, 1)]
    assert await left(books) == Decimal("0.00")
    results = await books.ledger.admit(
        [successor(books, block, 2 + i, first, quota=Decimal("50.00")) for i, first in enumerate(firsts)]
    )
    assert [r.outcome for r in results] == [AdmitOutcome.ADMITTED] * 2
    assert await left(books) == Decimal("20.00")


@on_every_ledger
async def test_an_outcome_that_its_sender_did_not_give_counts_as_none_until_the_window_is_closed(books: Books) -> None:
    """A node that was taken for dead may only have slept, and may still send what it claimed."""
    block = await books.block()
    await books.download("100.00")
    first = await refused(books, block, cause=DIED.code)
    (early,) = await books.ledger.admit([successor(books, block, 1, first)])
    assert early.outcome is AdmitOutcome.KNOWN
    assert (await books.again(first)).state is State.REJECTED
    (late,) = await books.ledger.admit([successor(books, block, 1, first, window_closed=True)])
    assert late.outcome is AdmitOutcome.ADMITTED
    assert DIED.code == ABANDONED


@on_every_ledger
async def test_of_two_nodes_that_replace_at_once_one_does_and_both_are_told_the_same(books: Books) -> None:
    block = await books.block(40)
    await books.download("600.00")
    for turn in range(8):
        first = await refused(books, block, turn)
        one, two = (successor(books, block, 10 + 2 * turn + i, first, quota=Decimal("60.00")) for i in (0, 1))
        both = await asyncio.gather(books.ledger.admit([one]), books.other.admit([two]))
        assert Counter(results[0].outcome for results in both) == {AdmitOutcome.ADMITTED: 1, AdmitOutcome.KNOWN: 1}
        told = {results[0].record.number for results in both if results[0].record is not None}
        (live,) = await books.ledger.find(TAXPAYER, orders=[first.order])
        assert told == {live.number}
        assert live.number in (one.number, two.number)
    assert await left(books) == Decimal("600.00") - 8 * Decimal("60.00")


@on_every_ledger
async def test_of_a_successor_and_a_late_confirmation_exactly_one_holds(books: Books) -> None:
    block = await books.block(40)
    await books.download("600.00")
    for turn in range(8):
        first = await refused(books, block, turn)
        found = advance(first, State.CONFIRMED, accepted_at=NOW)
        held, results = await asyncio.gather(
            books.other.advance([found]), books.ledger.admit([successor(books, block, 10 + turn, first)])
        )
        replaced = results[0].outcome is AdmitOutcome.ADMITTED
        assert held == [not replaced]
        assert (await books.again(first)).state is (State.REPLACED if replaced else State.CONFIRMED)


@on_every_ledger
async def test_of_a_successor_and_the_same_number_again_exactly_one_holds(books: Books) -> None:
    block = await books.block(40)
    await books.download("600.00")
    for turn in range(8):
        first = await refused(books, block, turn)
        again = advance(first, State.ISSUED, next_at=None)
        held, results = await asyncio.gather(
            books.other.advance([again]), books.ledger.admit([successor(books, block, 10 + turn, first)])
        )
        assert held == [results[0].outcome is not AdmitOutcome.ADMITTED]


@on_every_ledger
async def test_a_replaced_invoice_is_never_claimed_moved_or_alarmed_but_more_may_become_known_of_it(
    books: Books,
) -> None:
    block = await books.block()
    await books.download("100.00")
    first = await refused(books, block)
    await books.admit(successor(books, block, 1, first))
    old = await books.again(first)
    assert await books.upload() is None
    assert await books.ledger.alarming(NOW.replace(year=2030), 10) == []
    assert await books.ledger.advance([advance(first, State.ISSUED)]) == [False]  # as it was seen before
    for to in set(State) - {State.REPLACED}:
        with pytest.raises(Internal):
            await books.ledger.advance([advance(old, to)])
    known = await books.advance(old, State.REPLACED, problem_code="KP-REPLACED-ALIVE", doubt=True)
    assert (known.state, known.problem_code, known.version) == (State.REPLACED, "KP-REPLACED-ALIVE", old.version + 1)


@on_every_ledger
async def test_only_a_successor_makes_an_invoice_replaced(books: Books) -> None:
    block = await books.block()
    await books.download("100.00")
    first = await refused(books, block)
    with pytest.raises(Internal):
        await books.ledger.advance([advance(first, State.REPLACED)])


@on_every_ledger
async def test_a_successor_may_be_refused_too_and_gets_its_own(books: Books) -> None:
    block = await books.block()
    await books.download("100.00")
    first = await refused(books, block)
    (second,) = await books.admit(successor(books, block, 1, first, quota=Decimal("60.00"), next_at=NOW))
    upload = await books.upload()
    assert upload is not None
    await books.ledger.end_upload(upload_end(upload, "rejected"), [])
    second = await books.advance(upload.records[0], State.REJECTED)
    (skipping,) = await books.ledger.admit([successor(books, block, 2, first)])
    assert skipping.outcome is AdmitOutcome.KNOWN  # the first is not the live one any more
    (third,) = await books.admit(successor(books, block, 3, second, quota=Decimal("60.00")))
    assert await books.ledger.find(TAXPAYER, orders=[first.order]) == [third]
    assert await left(books) == Decimal("40.00")
    kinds = [e.kind for e in await books.ledger.events(taxpayer=TAXPAYER, subject=first.order)]
    assert kinds.count("state.replaced") == 2
    counts = await books.ledger.state_counts(TAXPAYER)
    assert {state: count for state, count in counts.items() if count} == {State.REPLACED: 2, State.ISSUED: 1}


@on_every_ledger
async def test_the_same_successor_again_is_known_and_takes_nothing_twice(books: Books) -> None:
    """As it is sent again after a commit whose fate was unknown."""
    block = await books.block()
    await books.download("100.00")
    first = await refused(books, block)
    admission = successor(books, block, 1, first, quota=Decimal("60.00"))
    (record,) = await books.admit(admission)
    for ledger in (books.ledger, books.other):
        (again,) = await ledger.admit([replace(admission)])
        assert (again.outcome, again.record) == (AdmitOutcome.KNOWN, record)
    assert await left(books) == Decimal("40.00")
