"""Outages: what every ledger promises, on every node."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kaipiao.errors import KaipiaoError
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.outages import ListedInvoice, Made, OutageRow, OutageSums, OutageWatch
from kaipiao.ledger.port import EventDraft, Ledger
from ledger_books import CHANNEL, DOCUMENT, NOW, TAXPAYER, Books, on_every_ledger

LATER = NOW + timedelta(hours=1)
WINDOW = timedelta(hours=48)
CLOSES = datetime(2026, 4, 12, 16, tzinfo=UTC)
ALL = Made(TAXPAYER, CHANNEL, NOW - timedelta(hours=1), NOW + timedelta(hours=9))
START = (NOW - timedelta(days=1), 0)


def outage(identity: int, channel: str = CHANNEL, **changes: object) -> OutageRow:
    row = OutageRow(identity, channel, NOW, None, None, None, '{"cause":"中断"}')
    return replace(row, **changes)  # type: ignore[arg-type]


def begun(row: OutageRow) -> EventDraft:
    return EventDraft("outage.begun", row.begun_at, data={"outage": str(row.id), "channel": row.channel})


async def keep(ledger: Ledger, *rows: OutageRow, position: int = 0) -> bool:
    before = await ledger.outage_watch()
    return await ledger.save_outages(OutageWatch(before.revision + 1, position), rows, [begun(row) for row in rows])


async def told(ledger: Ledger) -> list[object]:
    return [e.data["outage"] for e in await ledger.platform_events() if e.kind == "outage.begun"]


@on_every_ledger
async def test_what_one_node_stores_the_other_reads_and_goes_on_with(books: Books) -> None:
    assert await books.other.outage_watch() == OutageWatch(0, 0, "{}")
    first = outage(7)
    assert await books.ledger.save_outages(OutageWatch(1, 42, '{"近":1}'), [first], [begun(first)])
    assert await books.other.outage_watch() == OutageWatch(1, 42, '{"近":1}')
    assert await books.other.outage(7) == first
    ended = replace(first, back_at=LATER, drained_at=LATER, closed_at=LATER, detail="{}", report=b"\x00sealed")
    assert await books.other.save_outages(OutageWatch(2, 43), [ended], [])
    assert await books.ledger.outage(7) == ended
    assert await books.ledger.outage(8) is None
    assert await told(books.ledger) == ["7"]


@on_every_ledger
async def test_a_change_derived_from_an_older_revision_stores_nothing_at_all(books: Books) -> None:
    assert await keep(books.ledger, outage(1), position=5)
    for stale in (1, 3, 9):
        late = outage(2, "other")
        assert not await books.other.save_outages(OutageWatch(stale, 99, "[]"), [late], [begun(late)])
    assert await books.ledger.outage_watch() == OutageWatch(1, 5)
    assert await books.ledger.outage(2) is None
    assert await told(books.ledger) == ["1"]


@on_every_ledger
async def test_of_nodes_that_open_an_outage_at_once_one_is_heard(books: Books) -> None:
    nodes = [books.ledger, books.other] * 4
    rows = [outage(place) for place in range(1, 9)]
    done = await asyncio.gather(
        *(node.save_outages(OutageWatch(1, 1), [row], [begun(row)]) for node, row in zip(nodes, rows, strict=True))
    )
    assert sum(done) == 1
    (only,) = await books.ledger.outages()
    assert await told(books.other) == [str(only.id)]


@on_every_ledger
async def test_a_channel_has_one_open_outage_at_most(books: Books) -> None:
    assert await keep(books.ledger, outage(1))
    with pytest.raises(KaipiaoError):
        await keep(books.other, outage(2))
    assert [row.id for row in await books.ledger.outages()] == [1]
    assert (await books.ledger.outage_watch()).revision == 1
    assert await told(books.ledger) == ["1"]
    assert await keep(books.other, outage(1, closed_at=LATER), outage(2), outage(3, "second"))
    assert [row.id for row in await books.other.outages(open_only=True)] == [3, 2]


@on_every_ledger
async def test_they_are_listed_the_latest_first_by_channel_and_page(books: Books) -> None:
    rows = [outage(n, "even" if n % 2 == 0 else "odd", closed_at=LATER) for n in range(1, 8)]
    assert await keep(books.ledger, *rows)
    assert [row.id for row in await books.other.outages(limit=3)] == [7, 6, 5]
    assert [row.id for row in await books.other.outages(before=5, limit=2)] == [4, 3]
    assert [row.id for row in await books.other.outages(channel="even")] == [6, 4, 2]
    assert await books.other.outages(channel="even'; --") == []
    assert await books.other.outages(open_only=True) == []


@on_every_ledger
async def test_sums_count_what_was_issued_in_the_span_by_what_became_of_it(books: Books) -> None:
    await books.download(10000)
    block = await books.block(6)
    made = [NOW, NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=2), NOW + timedelta(hours=9)]
    records = await books.admit(*(books.order(block, n, made_at=at) for n, at in enumerate(made)))
    await books.admit(books.unnumbered(made_at=NOW))
    states = [State.UPLOADING, State.SUBMITTED, State.CONFIRMED]
    for state in states:
        at = NOW + WINDOW + timedelta(microseconds=1)
        records[0] = await books.advance(records[0], state, **({"accepted_at": at} if state is states[-1] else {}))
    records[1] = await books.advance(records[1], State.EXPIRED)
    two_days = NOW + WINDOW + timedelta(minutes=30)
    assert await books.other.outage_sums(ALL, WINDOW, CLOSES, LATER) == OutageSums(4, 1, 2, 2)
    assert await books.other.outage_sums(ALL, WINDOW, CLOSES, two_days) == OutageSums(4, 1, 2, 2)
    over = two_days + timedelta(hours=1)
    assert await books.other.outage_sums(ALL, WINDOW, CLOSES, over) == OutageSums(4, 1, 2, 3)
    assert await books.other.outage_sums(ALL, timedelta(days=99), over, over) == OutageSums(4, 1, 2, 3)
    last = Made(TAXPAYER, CHANNEL, made[3], made[4] + timedelta(microseconds=1))
    assert await books.other.outage_sums(last, WINDOW, CLOSES, LATER) == OutageSums(2, 0, 2, 0)
    for other in (replace(ALL, channel="other"), replace(ALL, taxpayer="91110108MA01KPFK5X")):
        assert await books.other.outage_sums(other, WINDOW, CLOSES, LATER) == OutageSums()


@on_every_ledger
async def test_the_list_is_read_in_pages_that_neither_miss_nor_repeat(books: Books) -> None:
    await books.download(100000)
    block = await books.block(9)
    made = [NOW + timedelta(seconds=n // 3) for n in range(9)]
    records = await books.admit(*(books.order(block, n, made_at=at) for n, at in enumerate(made)))
    await books.admit(books.unnumbered(made_at=NOW))
    found: list[ListedInvoice] = []
    after = START
    while page := await books.other.outage_invoices(replace(ALL, end=made[-1]), after, 2):
        found += page
        after = (page[-1].made_at, page[-1].id)
    expected = [ListedInvoice(r.made_at, r.id, r.number or "", DOCUMENT.digest) for r in records[:6]]
    assert found == sorted(expected, key=lambda one: (one.made_at, one.id))
    assert await books.other.outage_invoices(replace(ALL, channel="other"), START, 9) == []
