"""Orders that were accepted and are numbered later: what every ledger promises."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from kaipiao.errors import Internal
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import admitted
from kaipiao.ledger.port import Admission, AdmitOutcome, Block, EventDraft, InvoiceRecord
from ledger_books import (
    CHANNEL,
    MONTH,
    NOW,
    OTHER_TAXPAYER,
    TAXPAYER,
    YEAR,
    Books,
    advance,
    on_every_ledger,
    upload_end,
)  # fmt: skip

LATER = NOW + timedelta(minutes=7)


async def accepted(books: Books, **changes: object) -> InvoiceRecord:
    (record,) = await books.admit(books.unnumbered(**{"next_at": NOW, **changes}))
    return record


def numbering(books: Books, block: Block, position: int, record: InvoiceRecord, **changes: object) -> Admission:
    """The admission that gives an accepted order a number of the block."""
    admission = books.order(
        block, position, id=record.id, taxpayer=record.taxpayer, order=record.order, kind=record.kind,
        content=record.content, content_digest=record.content_digest, made_at=LATER, next_at=LATER,
        deadline=LATER + timedelta(hours=48), event=None,
    )  # fmt: skip
    return replace(admission, **changes)  # type: ignore[arg-type]


@on_every_ledger
async def test_an_accepted_order_is_numbered_under_its_own_id(books: Books) -> None:
    block = await books.block()
    await books.download(500)
    record = await accepted(books, kind="general")
    wish = numbering(books, block, 0, record, month="2026-04", amount=Decimal("2.00"), total=Decimal("2.13"))
    (result,) = await books.other.admit([wish])
    assert result.outcome is AdmitOutcome.ADMITTED
    expected = replace(
        record, state=State.ISSUED, version=2, number=block.numbers[0], amount=Decimal("2.00"), tax=Decimal("13.00"),
        total=Decimal("2.13"), made_at=LATER, month="2026-04", next_at=LATER, deadline=wish.deadline,
    )  # fmt: skip
    assert result.record == expected
    assert await books.ledger.find(TAXPAYER, orders=[record.order], numbers=[block.numbers[0]]) == [expected, expected]
    assert await books.ledger.documents(TAXPAYER, [record.id]) == {record.id: wish.document}
    assert [e.kind for e in await books.ledger.events(taxpayer=TAXPAYER, subject=record.order)] == [
        "accepted", "numbered",
    ]  # fmt: skip
    assert (await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).used == 1
    upload = await books.upload(now=LATER)
    assert upload is not None
    assert [r.id for r in upload.records] == [record.id]


@on_every_ledger
async def test_what_kept_an_order_waiting_is_over_when_it_is_numbered(books: Books) -> None:
    block = await books.block()
    held_back = await books.advance(await accepted(books), State.ACCEPTED, problem_code="KP-X-01", problem="words")
    (issued,) = await books.admit(numbering(books, block, 0, held_back))
    assert (issued.problem_code, issued.problem, issued.version) == (None, None, 3)
    assert await books.again(issued) == issued


@on_every_ledger
async def test_the_callers_own_event_goes_with_the_numbering(books: Books) -> None:
    block = await books.block()
    record = await accepted(books)
    event = EventDraft("numbered", LATER, TAXPAYER, record.order, {"digest": "aa"})
    await books.admit(numbering(books, block, 0, record, event=event))
    told = (await books.ledger.events(taxpayer=TAXPAYER, subject=record.order))[-1]
    assert (told.kind, told.at, told.data) == ("numbered", LATER, {"digest": "aa"})


@on_every_ledger
async def test_the_same_numbering_again_is_known_and_uses_nothing(books: Books) -> None:
    """A commit whose fate is unknown is sent again as it was."""
    block = await books.block()
    await books.download(500)
    record = await accepted(books)
    wish = numbering(books, block, 0, record, quota=Decimal(100))
    (issued,) = await books.admit(wish)
    for again in (wish, replace(wish, number=block.numbers[1]), replace(wish, epoch=99)):
        (result,) = await books.other.admit([again])
        assert (result.outcome, result.record) == (AdmitOutcome.KNOWN, issued)
    assert (await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).used == 1
    assert (await books.ledger.quota(TAXPAYER, CHANNEL, MONTH)).issued == 100
    assert len(await books.ledger.events(taxpayer=TAXPAYER, subject=record.order)) == 2


@on_every_ledger
async def test_accepting_again_what_was_numbered_is_known(books: Books) -> None:
    block = await books.block()
    wish = books.unnumbered(next_at=NOW)
    (record,) = await books.admit(wish)
    (issued,) = await books.admit(numbering(books, block, 0, record))
    (late,) = await books.other.admit([wish])
    assert (late.outcome, late.record) == (AdmitOutcome.KNOWN, issued)


@on_every_ledger
async def test_another_id_does_not_number_an_accepted_order(books: Books) -> None:
    block = await books.block()
    record = await accepted(books)
    (result,) = await books.ledger.admit([numbering(books, block, 0, record, id=next(books.ids))])
    assert (result.outcome, result.record) == (AdmitOutcome.KNOWN, record)
    assert (await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).used == 0


@on_every_ledger
async def test_a_numbering_that_does_not_hold_leaves_the_order_accepted(books: Books) -> None:
    block = await books.block()
    await books.download(99)
    await books.admit(books.order(block, 5))
    records = [await accepted(books) for _ in range(5)]
    results = await books.ledger.admit(
        [
            numbering(books, block, 0, records[0], epoch=block.epoch + 1),
            numbering(books, block, 5, records[1]),
            numbering(books, block, 1, records[2], quota=Decimal(100)),
            numbering(books, block, 2, records[3], quota=Decimal(99)),
            numbering(books, block, 2, records[4]),
        ]
    )
    assert [r.outcome for r in results] == [
        AdmitOutcome.FENCED, AdmitOutcome.NUMBER_USED, AdmitOutcome.QUOTA_SHORT, AdmitOutcome.ADMITTED,
        AdmitOutcome.NUMBER_USED,
    ]  # fmt: skip
    left = [records[0], records[1], records[2], records[4]]
    assert await books.ledger.accepted(TAXPAYER, NOW, 10) == left
    assert (await books.ledger.quota(TAXPAYER, CHANNEL, MONTH)).left == 0
    await books.download(1)
    await books.admit(numbering(books, block, 0, records[0], quota=Decimal(1)))


@on_every_ledger
async def test_other_content_under_the_same_id_is_a_defect_and_stores_nothing(books: Books) -> None:
    block = await books.block()
    record = await accepted(books)
    for other in ({"content_digest": b"z" * 32}, {"content": b'{"other":1}'}, {"order": "another"}):
        with pytest.raises(Internal):
            await books.ledger.admit([numbering(books, block, 0, record, **other)])
    assert await books.again(record) == record
    await books.admit(numbering(books, block, 0, record))


@on_every_ledger
async def test_accepted_without_quota_and_document(books: Books) -> None:
    block = await books.block()
    for senseless in ({"quota": Decimal(1)}, {"document": books.order(block).document}):
        with pytest.raises(Internal):
            await books.ledger.admit([books.unnumbered(**senseless)])


@on_every_ledger
async def test_accepted_and_numbered_in_one_call(books: Books) -> None:
    block = await books.block()
    wish = books.unnumbered(order="both", next_at=NOW)
    record = admitted(wish)
    results = await books.ledger.admit([wish, numbering(books, block, 0, record), numbering(books, block, 1, record)])
    assert [r.outcome for r in results] == [AdmitOutcome.ADMITTED, AdmitOutcome.ADMITTED, AdmitOutcome.KNOWN]
    (found,) = await books.ledger.find(TAXPAYER, orders=["both"])
    assert (found.state, found.version, found.number) == (State.ISSUED, 2, block.numbers[0])


@on_every_ledger
async def test_two_nodes_numbering_the_same_orders_at_once_use_one_number_each(books: Books) -> None:
    await books.pull(100)
    await books.download(1000)
    one = await books.ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "a", 50, 30)
    two = await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 50, 30)
    assert one is not None
    assert two is not None
    for taken, quota in enumerate((Decimal(0), Decimal(1))):  # with quota, they also meet at the account
        records = await books.admit(*(books.unnumbered(next_at=NOW) for _ in range(25)))
        calls = [
            node.admit([numbering(books, block, 25 * taken + i, record, quota=quota)])
            for i, record in enumerate(records)
            for node, block in ((books.ledger, one), (books.other, two))
        ]
        answers = [result for (result,) in await asyncio.gather(*calls)]
        assert Counter(a.outcome for a in answers) == {AdmitOutcome.ADMITTED: 25, AdmitOutcome.KNOWN: 25}
        numbers = {(a.record.order, a.record.number) for a in answers if a.record is not None}
        assert len(numbers) == len({n for _, n in numbers}) == 25
        assert (await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).used == 25 * (taken + 1)
    assert (await books.ledger.quota(TAXPAYER, CHANNEL, MONTH)).issued == 25


@on_every_ledger
async def test_two_nodes_numbering_the_same_batch_at_once_use_one_number_each(books: Books) -> None:
    await books.pull(100)
    one = await books.ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "a", 50, 30)
    two = await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 50, 30)
    assert one is not None
    assert two is not None
    for batch in range(5):
        records = await books.admit(*(books.unnumbered(next_at=NOW) for _ in range(10)))
        answers = await asyncio.gather(
            *(
                node.admit([numbering(books, block, 10 * batch + i, record) for i, record in enumerate(records)])
                for node, block in ((books.ledger, one), (books.other, two))
            )
        )
        assert Counter(a.outcome for each in answers for a in each) == {
            AdmitOutcome.ADMITTED: 10, AdmitOutcome.KNOWN: 10,
        }  # fmt: skip
        assert [a.record for a in answers[0]] == [a.record for a in answers[1]]


@on_every_ledger
async def test_of_a_numbering_and_a_cancellation_at_once_exactly_one_wins(books: Books) -> None:
    block = await books.block(40)
    records = await books.admit(*(books.unnumbered(next_at=NOW) for _ in range(40)))

    async def number(i: int, record: InvoiceRecord) -> bool:
        (result,) = await books.ledger.admit([numbering(books, block, i, record)])
        assert result.outcome in (AdmitOutcome.ADMITTED, AdmitOutcome.KNOWN)
        return result.outcome is AdmitOutcome.ADMITTED

    async def cancel(record: InvoiceRecord) -> bool:
        return (await books.other.advance([advance(record, State.CANCELLED, next_at=None)]))[0]

    for i, record in enumerate(records):
        pair = [number(i, record), cancel(record)]
        won = await asyncio.gather(*(pair if i % 2 else pair[::-1]))
        assert sorted(won) == [False, True]
        now = await books.again(record)
        assert (now.state, now.number is None) in ((State.ISSUED, False), (State.CANCELLED, True))
        assert now.version == 2


@on_every_ledger
async def test_what_was_cancelled_or_has_ended_is_not_numbered(books: Books) -> None:
    block = await books.block()
    for i, end in enumerate((State.CANCELLED, State.EXPIRED)):
        record = await accepted(books)
        ended = await books.advance(record, end)
        (result,) = await books.ledger.admit([numbering(books, block, i, record)])
        assert (result.outcome, result.record) == (AdmitOutcome.KNOWN, ended)
    assert (await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).used == 0


@on_every_ledger
async def test_an_accepted_successor_is_numbered_and_stays_a_successor(books: Books) -> None:
    block = await books.block()
    (first,) = await books.admit(books.order(block, 0))
    upload = await books.upload()
    assert upload is not None
    await books.ledger.end_upload(upload_end(upload, "rejected"), [])
    await books.advance(upload.records[0], State.REJECTED)
    record = await accepted(books, order=first.order, replaces=first.id)
    (issued,) = await books.admit(numbering(books, block, 1, record))
    assert (issued.replaces, issued.state) == (first.id, State.ISSUED)


@on_every_ledger
async def test_accepted_orders_are_found_by_taxpayer_oldest_first(books: Books) -> None:
    block = await books.block()
    assert await books.ledger.accepted_taxpayers() == []
    young = await accepted(books, made_at=NOW + timedelta(seconds=5))
    old = await accepted(books, made_at=NOW - timedelta(seconds=5))
    held_back = await accepted(books, next_at=LATER)
    other = await accepted(books, taxpayer=OTHER_TAXPAYER)
    await books.advance(await accepted(books), State.CANCELLED)
    await books.admit(books.order(block))
    assert await books.ledger.accepted_taxpayers() == sorted([TAXPAYER, OTHER_TAXPAYER])
    assert await books.ledger.accepted(TAXPAYER, NOW, 10) == [old, young]
    assert await books.ledger.accepted(TAXPAYER, NOW, 1) == [old]
    assert await books.ledger.accepted(TAXPAYER, LATER, 10) == [old, held_back, young]
    assert await books.ledger.accepted(OTHER_TAXPAYER, NOW, 10) == [other]
