"""Upload, settle and conditional changes: what every ledger promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from kaipiao.errors import BooksContradicted, Internal
from kaipiao.invoice.lifecycle import TRANSITIONS, State, allowed
from kaipiao.ledger.port import InvoiceRecord, Upload, Value
from ledger_books import (
    CHANNEL,
    DOCUMENT,
    NOW,
    OTHER_TAXPAYER,
    TAXPAYER,
    Books,
    advance,
    number,
    on_every_ledger,
    upload_end,
)

HOUR = timedelta(hours=1)


async def begun(books: Books, **options: object) -> Upload:
    upload = await books.upload(**options)  # type: ignore[arg-type]
    assert upload is not None
    return upload


# --- claims ---------------------------------------------------------------------------------------------------------


@on_every_ledger
async def test_the_earliest_deadline_goes_first_then_the_oldest(books: Books) -> None:
    block = await books.block()
    deadlines = [None, NOW + 5 * HOUR, NOW + 2 * HOUR, NOW + 5 * HOUR, None]
    records = await books.admit(*(books.order(block, i, deadline=d) for i, d in enumerate(deadlines)))
    upload = await begun(books, limit=4)
    assert [r.id for r in upload.records] == [records[i].id for i in (2, 1, 3, 0)]
    assert upload.documents == (DOCUMENT,) * 4
    rest = await begun(books)
    assert [r.id for r in rest.records] == [records[4].id]
    assert await books.upload() is None


@on_every_ledger
async def test_a_claim_counts_a_try_and_begins_asking_anew(books: Books) -> None:
    block = await books.block()
    (record,) = await books.admit(books.order(block))
    record = await books.advance(record, State.ISSUED, denials=2, late_denials=1)
    upload = await begun(books)
    (claimed,) = upload.records
    assert (claimed.state, claimed.version) == (State.UPLOADING, record.version + 1)
    assert (claimed.tries, claimed.denials, claimed.late_denials, claimed.sent_at) == (1, 0, 0, None)
    assert await books.again(record) == claimed


@on_every_ledger
async def test_only_what_is_due_is_claimed_and_only_of_this_taxpayer_and_channel(books: Books) -> None:
    block = await books.block()
    await books.admit(
        books.order(block, 0, next_at=NOW + HOUR),
        books.order(block, 1, next_at=None),
        books.unnumbered(next_at=NOW),
    )
    assert await books.ledger.due_pairs(NOW) == []
    assert await books.upload() is None
    assert await books.ledger.due_pairs(NOW + HOUR) == [(TAXPAYER, CHANNEL)]
    assert await books.upload(limit=0, now=NOW + HOUR) is None
    assert await books.ledger.begin_upload(900, "w", OTHER_TAXPAYER, CHANNEL, "a", 9, NOW + HOUR) is None
    assert await books.ledger.begin_upload(901, "w", TAXPAYER, "other", "a", 9, NOW + HOUR) is None
    assert len((await begun(books, now=NOW + HOUR)).records) == 1


@on_every_ledger
async def test_pairs_come_by_their_earliest_deadline(books: Books) -> None:
    await books.pull(10)
    await books.pull(10, taxpayer=OTHER_TAXPAYER)
    mine, theirs = await books.lease(), await books.lease(taxpayer=OTHER_TAXPAYER)
    await books.admit(
        books.order(mine, 0, deadline=NOW + 3 * HOUR),
        books.order(theirs, 0, deadline=NOW + 2 * HOUR),
        books.order(theirs, 1, deadline=None),
    )
    assert await books.ledger.due_pairs(NOW) == [(OTHER_TAXPAYER, CHANNEL), (TAXPAYER, CHANNEL)]
    await books.admit(books.order(mine, 1, deadline=NOW + HOUR))
    assert await books.ledger.due_pairs(NOW) == [(TAXPAYER, CHANNEL), (OTHER_TAXPAYER, CHANNEL)]


@on_every_ledger
async def test_one_that_must_go_alone_goes_alone_and_holds_nobody_up(books: Books) -> None:
    block = await books.block()
    records = await books.admit(*(books.order(block, i, deadline=NOW + (i + 1) * HOUR) for i in range(4)))
    await books.advance(records[1], State.ISSUED, alone=True)
    together, single = await begun(books), await begun(books)
    assert [r.id for r in together.records] == [records[i].id for i in (0, 2, 3)]
    assert [r.id for r in single.records] == [records[1].id]


@on_every_ledger
async def test_an_upload_id_is_used_once(books: Books) -> None:
    block = await books.block()
    await books.admit(books.order(block))
    upload = await begun(books)
    with pytest.raises(Internal):
        await books.ledger.begin_upload(upload.id, "w", TAXPAYER, CHANNEL, "a", 9, NOW)


# --- outcomes -------------------------------------------------------------------------------------------------------


@on_every_ledger
async def test_an_upload_has_one_outcome_once_but_late_advances_are_still_tried(books: Books) -> None:
    block = await books.block()
    await books.admit(books.order(block, 0), books.order(block, 1))
    upload = await begun(books)
    one, two = upload.records
    done = await books.ledger.end_upload(
        upload_end(upload), [advance(one, State.SUBMITTED, submission="s-1", submitted_at=NOW)]
    )
    assert done == [True]
    late = [advance(one, State.UNKNOWN), advance(two, State.UNKNOWN, unknown_since=NOW, doubt=True)]
    assert await books.ledger.end_upload(upload_end(upload, "ambiguous"), late) == [False, True]
    assert [(r.state, r.submission) for r in await books.ledger.page(TAXPAYER)] == [
        (State.SUBMITTED, "s-1"),
        (State.UNKNOWN, None),
    ]
    ended = [e for e in await books.ledger.events(taxpayer=TAXPAYER) if e.kind == "upload.ended"]
    assert [e.data["outcome"] for e in ended] == ["ok"]


@on_every_ledger
async def test_an_outcome_of_an_upload_that_never_was_is_a_defect(books: Books) -> None:
    block = await books.block()
    (record,) = await books.admit(books.order(block))
    upload = await begun(books)
    for end in (
        upload_end(upload, id=upload.id + 1),
        upload_end(upload, taxpayer=OTHER_TAXPAYER),
        upload_end(upload, attempts={record.id + 1: "ok"}),
    ):
        with pytest.raises(Internal):
            await books.ledger.end_upload(end, [advance(upload.records[0], State.CONFIRMED)])
    assert (await books.again(record)).state is State.UPLOADING
    assert len(await books.ledger.open_uploads()) == 1


@on_every_ledger
async def test_a_defect_among_the_advances_leaves_the_upload_open(books: Books) -> None:
    block = await books.block()
    await books.admit(books.order(block, 0), books.order(block, 1))
    upload = await begun(books)
    one, two = upload.records
    with pytest.raises(Internal):
        await books.ledger.end_upload(upload_end(upload), [advance(one, State.CONFIRMED), advance(two, State.EXPIRED)])
    assert [r.state for r in await books.ledger.page(TAXPAYER)] == [State.UPLOADING] * 2
    assert len(await books.ledger.open_uploads()) == 1
    assert "state.confirmed" not in [e.kind for e in await books.ledger.events()]


@on_every_ledger
async def test_uploads_without_an_outcome_are_found_by_node(books: Books) -> None:
    block = await books.block()
    await books.admit(*(books.order(block, i, deadline=NOW + i * HOUR) for i in range(3)))
    first = await begun(books, limit=2, node="a")
    second = await begun(books, node="b")
    (mine,) = await books.ledger.open_uploads("a")
    assert (mine.id, mine.wire_id, mine.records, mine.documents) == (first.id, first.wire_id, first.records, ())
    assert [u.id for u in await books.ledger.open_uploads()] == [first.id, second.id]
    await books.ledger.end_upload(upload_end(first), [])
    assert [u.id for u in await books.ledger.open_uploads()] == [second.id]
    assert await books.ledger.open_uploads("a") == []


# --- conditional changes --------------------------------------------------------------------------------------------


@on_every_ledger
async def test_a_change_holds_only_while_the_version_does(books: Books) -> None:
    block = await books.block()
    (record,) = await books.admit(books.order(block))
    change = advance(record, State.EXPIRED, problem_code="late", problem="too late 太迟")
    assert await books.ledger.advance([change, change]) == [True, False]
    assert await books.other.advance([change, replace(change, id=4711)]) == [False, False]
    after = await books.again(record)
    assert (after.state, after.version, after.problem) == (State.EXPIRED, record.version + 1, "too late 太迟")
    kinds = [e.kind for e in await books.ledger.events(subject=record.order)]
    assert kinds == ["issued", "state.expired"]


@on_every_ledger
async def test_changes_of_one_invoice_in_one_call_follow_one_another(books: Books) -> None:
    block = await books.block()
    one, two = await books.admit(*(books.order(block, i) for i in range(2)))
    alone, again = advance(one, State.ISSUED, alone=True), advance(two, State.ISSUED, denials=1)
    assert await books.ledger.advance([alone]) == [True]
    same = [replace(advance(r, State.ISSUED, denials=2), version=r.version + 1) for r in (one, two)]
    assert await books.ledger.advance([same[0], again, same[1]]) == [True, True, True]
    for record in (one, two):
        after = await books.again(record)
        assert (after.version, after.denials) == (record.version + 2, 2)


@on_every_ledger
async def test_one_that_does_not_hold_leaves_the_others(books: Books) -> None:
    block = await books.block()
    one, two, three = await books.admit(*(books.order(block, i) for i in range(3)))
    stale = replace(advance(two, State.EXPIRED), version=9)
    assert await books.ledger.advance([advance(one, State.EXPIRED), stale, advance(three, State.EXPIRED)]) == [
        True,
        False,
        True,
    ]
    assert await books.ledger.state_counts(TAXPAYER) == {State.EXPIRED: 2, State.ISSUED: 1}


@on_every_ledger
async def test_a_change_that_the_lifecycle_forbids_is_a_defect_and_changes_nothing(books: Books) -> None:
    block = await books.block()
    one, two = await books.admit(books.order(block, 0), books.order(block, 1))
    for target in State:
        if allowed(State.ISSUED, target) or target is State.ISSUED:
            continue
        with pytest.raises(Internal):
            await books.ledger.advance([advance(one, State.EXPIRED), advance(two, target)])
    assert await books.ledger.state_counts(TAXPAYER) == {State.ISSUED: 2}


@on_every_ledger
async def test_a_final_state_can_be_left_for_nothing(books: Books) -> None:
    for state in (s for s in State if not TRANSITIONS[s] and s is not State.REPLACED):
        (record,) = await books.admit(books.unnumbered())
        if state is State.CONFIRMED:
            record = await books.advance(record, State.UPLOADING)
        final = await books.advance(record, state)
        for target in set(State) - {state}:
            with pytest.raises(Internal):
                await books.ledger.advance([advance(final, target)])


@on_every_ledger
async def test_columns_that_are_not_its_business_or_of_the_wrong_kind_are_a_defect(books: Books) -> None:
    block = await books.block()
    (record,) = await books.admit(books.order(block))
    wrong: list[dict[str, Value]] = [
        {"version": 9},
        {"order": "x"},
        {"content": "x"},
        {"tries": 0},
        {"denials": None},
        {"denials": "1"},
        {"alone": 1},
        {"next_at": "now"},
        {"next_at": NOW.replace(tzinfo=None)},
        {"problem": 5},
        {"number": number(77)},
        {"number": None},
    ]
    for changes in wrong:
        with pytest.raises(Internal):
            await books.ledger.advance([advance(record, State.ISSUED, **changes)])
    assert await books.again(record) == record


@on_every_ledger
async def test_every_column_that_an_advance_may_set_comes_back_as_it_was_set(books: Books) -> None:
    block = await books.block()
    (record,) = await books.admit(books.order(block))
    changes: dict[str, Value] = {
        "next_at": None, "deadline": None, "submission": "s", "submitted_at": NOW, "sent_at": NOW + HOUR,
        "accepted_at": NOW + timedelta(microseconds=1), "unknown_since": NOW, "denials": 2, "late_denials": 1,
        "doubt": True, "refused": True, "alone": True, "alarmed": 50, "provenance": "asked",
        "problem_code": "02", "problem": "额度不足",
    }  # fmt: skip
    after = await books.advance(record, State.UPLOADING, **changes)
    assert {name: getattr(after, name) for name in changes} == changes
    kept = await books.advance(after, State.UNKNOWN, doubt=False)
    assert {name: getattr(kept, name) for name in changes} == {**changes, "doubt": False}


@on_every_ledger
async def test_a_number_that_comes_with_the_answer_is_taken_once(books: Books) -> None:
    """Answer-first channels: accepted without a number, numbered by the answer."""
    await books.pull(5)
    one, two = await books.admit(books.unnumbered(), books.unnumbered())
    one, two = await books.advance(one, State.UPLOADING), await books.advance(two, State.UPLOADING)
    one = await books.advance(one, State.CONFIRMED, number=number(500))
    assert await books.ledger.find(TAXPAYER, numbers=[number(500)]) == [one]
    for taken in (number(500), number(3)):  # another invoice's, and one of our own segments
        with pytest.raises(BooksContradicted):
            await books.ledger.advance([advance(two, State.CONFIRMED, number=taken)])
    with pytest.raises(Internal):
        await books.ledger.advance([advance(two, State.CONFIRMED, number="12")])
    assert (await books.again(two)).state is State.UPLOADING
    await books.advance(two, State.CONFIRMED, number=number(501))


# --- what is due ------------------------------------------------------------------------------------------------------


async def unknown(books: Books, record: InvoiceRecord, **changes: Value) -> InvoiceRecord:
    return await books.advance(await books.advance(record, State.UPLOADING), State.UNKNOWN, **changes)


@on_every_ledger
async def test_due_ones_come_by_their_time_and_by_state(books: Books) -> None:
    block = await books.block()
    records = await books.admit(*(books.order(block, i) for i in range(4)))
    waits = [NOW + HOUR, NOW, NOW + 2 * HOUR, None]
    for record, wait in zip(records, waits, strict=True):
        await unknown(books, record, next_at=wait)
    await books.admit(books.order(block, 5, next_at=NOW))
    due = await books.ledger.due(State.UNKNOWN, NOW + HOUR, 10)
    assert [r.id for r in due] == [records[1].id, records[0].id]
    assert len(await books.ledger.due(State.UNKNOWN, NOW + 9 * HOUR, 2)) == 2
    assert await books.ledger.due(State.SUBMITTED, NOW + 9 * HOUR, 10) == []
    assert [r.state for r in await books.ledger.due(State.ISSUED, NOW, 10)] == [State.ISSUED]


@on_every_ledger
async def test_alarms_ring_at_half_and_at_four_fifths_of_the_way(books: Books) -> None:
    block = await books.block()
    (record,) = await books.admit(books.order(block))
    record = await unknown(books, record, unknown_since=NOW, deadline=NOW + 10 * HOUR)

    async def rings(hours: float) -> bool:
        return bool(await books.ledger.alarming(NOW + hours * HOUR, 10))

    assert [await rings(h) for h in (0, 4.99, 5, 8, 99)] == [False, False, True, True, True]
    record = await books.advance(record, State.UNKNOWN, alarmed=50)
    assert [await rings(h) for h in (5, 7.99, 8, 99)] == [False, False, True, True]
    record = await books.advance(record, State.UNKNOWN, alarmed=80)
    assert not await rings(99)
    await books.advance(record, State.CONFIRMED, alarmed=0)
    assert not await rings(99)


@on_every_ledger
async def test_the_most_urgent_alarm_comes_first_and_none_without_a_deadline(books: Books) -> None:
    block = await books.block()
    one, two, three = await books.admit(*(books.order(block, i) for i in range(3)))
    await unknown(books, one, unknown_since=NOW, deadline=NOW + 3 * HOUR)
    await unknown(books, two, unknown_since=NOW, deadline=NOW + 2 * HOUR)
    await unknown(books, three, unknown_since=NOW, deadline=None)
    assert [r.id for r in await books.ledger.alarming(NOW + 9 * HOUR, 10)] == [two.id, one.id]
    assert [r.id for r in await books.ledger.alarming(NOW + 9 * HOUR, 1)] == [two.id]


# --- reading ----------------------------------------------------------------------------------------------------------


@on_every_ledger
async def test_pages_go_on_by_id_and_can_be_narrowed_to_states(books: Books) -> None:
    block = await books.block()
    records = await books.admit(*(books.order(block, i) for i in range(7)))
    for record in records[::2]:
        await books.advance(record, State.EXPIRED)
    first = await books.ledger.page(TAXPAYER, limit=3)
    rest = await books.ledger.page(TAXPAYER, after=first[-1].id)
    assert [r.id for r in (*first, *rest)] == [r.id for r in records]
    narrowed = await books.ledger.page(TAXPAYER, states=[State.EXPIRED, State.CONFIRMED], after=records[0].id, limit=2)
    assert [r.id for r in narrowed] == [records[2].id, records[4].id]


@on_every_ledger
async def test_debt_is_what_the_bureau_has_not_heard_of_for_certain(books: Books) -> None:
    block = await books.block()
    times = [NOW + i * HOUR for i in range(4)]
    one, two, three, four = await books.admit(*(books.order(block, i, made_at=at) for i, at in enumerate(times)))
    await books.admit(books.unnumbered(made_at=NOW - HOUR))
    assert await books.ledger.oldest_debt(TAXPAYER) == times[0]
    await books.advance(await books.advance(one, State.UPLOADING), State.CONFIRMED)
    await books.advance(two, State.EXPIRED)
    assert await books.ledger.oldest_debt(TAXPAYER) == times[2]
    await unknown(books, three)
    assert await books.ledger.oldest_debt(TAXPAYER) == times[2]
    assert await books.ledger.last_made_at() == times[3]
    assert await books.ledger.issued_since(TAXPAYER, times[2]) == (2, Decimal(0))
    counts = await books.ledger.state_counts(TAXPAYER)
    assert counts[State.CONFIRMED] == counts[State.UNKNOWN] == counts[State.ACCEPTED] == 1
    assert four.state is State.ISSUED


@on_every_ledger
async def test_an_empty_ledger_knows_nothing(books: Books) -> None:
    assert await books.ledger.last_made_at() is None
    assert await books.ledger.due_pairs(NOW) == []
    assert await books.ledger.taxpayers() == []
    assert [r async for r in books.ledger.export()] == []


@on_every_ledger
async def test_the_export_has_everything_in_order(books: Books) -> None:
    await books.pull(10)
    await books.pull(10, taxpayer=OTHER_TAXPAYER)
    mine, theirs = await books.lease(), await books.lease(taxpayer=OTHER_TAXPAYER)
    records = await books.admit(
        *(books.order(mine, i) for i in range(3)), *(books.order(theirs, i) for i in range(2)), books.unnumbered()
    )
    exported = [r async for r in books.ledger.export()]
    assert exported == sorted(records, key=lambda r: (r.taxpayer, r.id))
