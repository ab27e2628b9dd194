"""Admission: what every ledger promises."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from kaipiao.errors import Internal
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import Admission, AdmitOutcome, EventDraft
from ledger_books import CHANNEL, NOW, OTHER_TAXPAYER, TAXPAYER, YEAR, Books, number, on_every_ledger, upload_end


@on_every_ledger
async def test_what_was_admitted_is_found_by_order_and_by_number_with_its_document(books: Books) -> None:
    block = await books.block()
    order = books.order(block, kind="general")
    (record,) = await books.admit(order)
    assert (record.order, record.number, record.state, record.version) == (order.order, order.number, State.ISSUED, 1)
    assert (record.amount, record.total, record.made_at, record.deadline) == (
        order.amount, order.total, order.made_at, order.deadline,
    )  # fmt: skip
    assert await books.other.find(TAXPAYER, orders=[order.order]) == [record]
    assert await books.other.find(TAXPAYER, numbers=[block.numbers[0], number(999)]) == [record]
    assert await books.ledger.documents(TAXPAYER, [order.id, 99999]) == {order.id: order.document}
    (event,) = await books.ledger.events(taxpayer=TAXPAYER, subject=order.order)
    assert event.kind == "issued"


@on_every_ledger
async def test_nobody_finds_another_taxpayers_invoices(books: Books) -> None:
    block = await books.block()
    (record,) = await books.admit(books.order(block))
    assert await books.ledger.find(OTHER_TAXPAYER, orders=[record.order], numbers=[record.number or ""]) == []
    assert await books.ledger.page(OTHER_TAXPAYER) == []
    assert await books.ledger.documents(OTHER_TAXPAYER, [record.id]) == {}
    assert await books.ledger.events(taxpayer=OTHER_TAXPAYER, subject=record.order) == []
    assert not (await books.ledger.state_counts(OTHER_TAXPAYER))
    assert await books.ledger.issued_since(OTHER_TAXPAYER, NOW) == (0, Decimal(0))
    assert await books.ledger.oldest_debt(OTHER_TAXPAYER) is None


@on_every_ledger
async def test_the_same_pair_again_is_accepted_when_absent_and_known_when_present(books: Books) -> None:
    """Absent means resend (the model): a commit whose fate is unknown is sent again as it was."""
    block = await books.block()
    order = books.order(block)
    first = await books.ledger.admit([order])
    again = await books.other.admit([order])
    assert [first[0].outcome, again[0].outcome] == [AdmitOutcome.ADMITTED, AdmitOutcome.KNOWN]
    assert again[0].record == first[0].record


@on_every_ledger
async def test_a_known_order_keeps_its_number_whatever_is_sent(books: Books) -> None:
    block = await books.block()
    order = books.order(block, 0)
    (record,) = await books.admit(order)
    for other in (
        replace(order, id=next(books.ids), number=block.numbers[1]),
        replace(order, id=next(books.ids), number=block.numbers[1], epoch=block.epoch + 7),
        replace(order, id=next(books.ids), number=block.numbers[1], content_digest=b"z" * 32),
    ):
        (result,) = await books.ledger.admit([other])
        assert (result.outcome, result.record) == (AdmitOutcome.KNOWN, record)
    assert (await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).used == 1


@on_every_ledger
async def test_a_number_is_given_once(books: Books) -> None:
    block = await books.block()
    results = await books.ledger.admit([books.order(block, 0), books.order(block, 0), books.order(block, 1)])
    assert [r.outcome for r in results] == [AdmitOutcome.ADMITTED, AdmitOutcome.NUMBER_USED, AdmitOutcome.ADMITTED]
    (late,) = await books.other.admit([books.order(block, 1)])
    assert (late.outcome, late.record) == (AdmitOutcome.NUMBER_USED, None)


@on_every_ledger
async def test_a_number_outside_of_its_block_is_fenced(books: Books) -> None:
    await books.pull(20)
    one, two = await books.lease(size=10), await books.lease(size=10)
    strangers = [
        books.order(one, number=two.numbers[0]),
        books.order(one, block=77),
        books.order(one, channel="other"),
        books.order(one, epoch=one.epoch + 1),
        books.order(one, taxpayer=OTHER_TAXPAYER),
    ]
    assert {r.outcome for r in await books.ledger.admit(strangers)} == {AdmitOutcome.FENCED}
    assert not await books.ledger.state_counts(TAXPAYER)


@on_every_ledger
async def test_one_that_does_not_hold_harms_no_other(books: Books) -> None:
    block = await books.block()
    known = books.order(block, 0)
    await books.admit(known)
    batch = [
        books.order(block, 1),
        books.order(block, 0),
        replace(known, id=next(books.ids), number=block.numbers[5]),
        books.order(block, 2, epoch=99),
        books.order(block, 3, quota=Decimal(1)),
        books.order(block, 4),
    ]
    results = await books.ledger.admit(batch)
    assert [r.outcome for r in results] == [
        AdmitOutcome.ADMITTED, AdmitOutcome.NUMBER_USED, AdmitOutcome.KNOWN, AdmitOutcome.FENCED,
        AdmitOutcome.QUOTA_SHORT, AdmitOutcome.ADMITTED,
    ]  # fmt: skip
    assert await books.ledger.state_counts(TAXPAYER) == {State.ISSUED: 3}


@on_every_ledger
async def test_a_defective_call_beside_others_fails_alone(books: Books) -> None:
    block = await books.block()
    (before,) = await books.admit(books.order(block, 0))
    defects = [
        books.order(block, 1, id=before.id),  # the id of another invoice
        books.order(block, 2, replaces=4711),  # a successor of nothing
        books.order(block, 3, event=EventDraft("x", NOW, TAXPAYER, "o", {"x": 1.5})),  # type: ignore[dict-item]
    ]
    good = [books.order(block, i) for i in range(4, 10)]
    calls = [books.ledger.admit([a]) for pair in zip(good, [*defects, *good], strict=False) for a in pair]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    failed = [a for a in answers if isinstance(a, BaseException)]
    assert [type(f) for f in failed] == [Internal] * 3
    orders = [a.order for a in good]
    assert [r.order for r in await books.ledger.find(TAXPAYER, orders=orders)] == orders
    assert (await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).used == 7


@on_every_ledger
async def test_a_senseless_admission_is_a_defect_and_stores_nothing(books: Books) -> None:
    block = await books.block()
    good = books.order(block)
    senseless: list[Admission] = [
        replace(good, number=None),
        replace(good, block=None),
        replace(good, number="12345"),
        replace(good, number="2" * 19 + "²"),
        replace(good, state=State.CONFIRMED),
        replace(good, state=State.ACCEPTED),
        replace(good, id=0),
        replace(good, id=2**63),
        replace(good, quota=Decimal(-1)),
        replace(good, amount=Decimal("NaN")),
        replace(good, total=Decimal("0.001")),
        replace(good, made_at=NOW.replace(tzinfo=None)),
        replace(good, deadline=NOW.replace(tzinfo=None)),
    ]
    for admission in senseless:
        with pytest.raises(Internal):
            await books.ledger.admit([admission])
    assert not await books.ledger.state_counts(TAXPAYER)
    assert await books.ledger.events() == []
    await books.admit(good)


@on_every_ledger
async def test_an_empty_list_is_no_commit(books: Books) -> None:
    assert await books.ledger.admit([]) == []
    assert await books.ledger.advance([]) == []


@on_every_ledger
async def test_the_same_order_from_two_nodes_at_once_is_issued_once(books: Books) -> None:
    await books.pull(100)
    one = await books.ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "a", 50, 30)
    two = await books.other.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 50, 30)
    assert one is not None
    assert two is not None
    names = [f"same-{i}" for i in range(50)]
    calls = [
        node.admit([books.order(block, i, order=name)])
        for i, name in enumerate(names)
        for node, block in ((books.ledger, one), (books.other, two))
    ]
    answers = [result for (result,) in await asyncio.gather(*calls)]
    assert Counter(a.outcome for a in answers) == {AdmitOutcome.ADMITTED: 50, AdmitOutcome.KNOWN: 50}
    numbers = {(a.record.order, a.record.number) for a in answers if a.record is not None}
    assert len(numbers) == len({n for _, n in numbers}) == 50


@on_every_ledger
async def test_an_order_key_may_be_any_text(books: Books) -> None:
    block = await books.block()
    names = ["订单 1", "O'Neil; DROP TABLE invoice --", "x" * 5000, "a\u0000b", "%_*?", " "]
    await books.admit(*(books.order(block, i, order=name) for i, name in enumerate(names)))
    assert [r.order for r in await books.ledger.find(TAXPAYER, orders=names)] == names
    assert await books.ledger.find(TAXPAYER, orders=["A\u0000b", "a", "订单"]) == []


@on_every_ledger
async def test_an_accepted_order_has_no_number_and_can_be_cancelled(books: Books) -> None:
    (record,) = await books.admit(books.unnumbered())
    assert (record.state, record.number) == (State.ACCEPTED, None)
    cancelled = await books.advance(record, State.CANCELLED)
    assert cancelled.state is State.CANCELLED
    (again,) = await books.ledger.admit([books.unnumbered(order=record.order)])
    assert (again.outcome, again.record) == (AdmitOutcome.KNOWN, cancelled)


# --- successors (R14) -----------------------------------------------------------------------------------------------


@on_every_ledger
async def test_a_successor_of_a_finally_refused_invoice_takes_its_order_over(books: Books) -> None:
    block = await books.block()
    (first,) = await books.admit(books.order(block, 0))
    upload = await books.upload()
    assert upload is not None
    await books.ledger.end_upload(upload_end(upload, "rejected"), [])
    rejected = await books.advance(upload.records[0], State.REJECTED)
    successor = books.order(block, 1, order=first.order, replaces=first.id)
    (record,) = await books.admit(successor)
    assert await books.ledger.find(TAXPAYER, orders=[first.order]) == [record]
    (old,) = await books.ledger.find(TAXPAYER, numbers=[first.number or ""])
    assert (old.state, old.version, old.next_at) == (State.REPLACED, rejected.version + 1, None)
    kinds = [e.kind for e in await books.ledger.events(taxpayer=TAXPAYER, subject=first.order)]
    assert kinds == ["issued", "upload.begun", "state.rejected", "state.replaced", "issued"]
    (again,) = await books.ledger.admit([successor])
    assert (again.outcome, again.record) == (AdmitOutcome.KNOWN, record)


@on_every_ledger
async def test_there_is_no_successor_while_the_first_may_still_be_held(books: Books) -> None:
    block = await books.block()
    (first,) = await books.admit(books.order(block, 0))

    async def outcome() -> AdmitOutcome:
        results = await books.ledger.admit([books.order(block, 1, order=first.order, replaces=first.id)])
        return results[0].outcome

    assert await outcome() is AdmitOutcome.KNOWN  # issued
    upload = await books.upload()
    assert upload is not None
    assert await outcome() is AdmitOutcome.KNOWN  # under way
    await books.advance(upload.records[0], State.REJECTED)
    assert await outcome() is AdmitOutcome.KNOWN  # refused, but a sender is left without an outcome
    (result,) = await books.ledger.admit([books.order(block, 1, order=first.order, replaces=first.id + 1)])
    assert result.outcome is AdmitOutcome.KNOWN  # not the live one
    await books.ledger.end_upload(upload_end(upload, "rejected"), [])
    assert await outcome() is AdmitOutcome.ADMITTED


@on_every_ledger
async def test_a_closed_window_needs_no_outcome_of_a_paused_sender(books: Books) -> None:
    block = await books.block()
    (first,) = await books.admit(books.order(block, 0))
    upload = await books.upload()
    assert upload is not None
    unknown = await books.advance(upload.records[0], State.UNKNOWN)
    await books.advance(unknown, State.EXPIRED)
    await books.admit(books.order(block, 1, order=first.order, replaces=first.id))
