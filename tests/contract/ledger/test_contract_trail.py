"""The trail, and the taxpayers: what every ledger promises."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kaipiao.errors import Internal
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.audit import read_trail
from kaipiao.ledger.port import ChainHead, Event, EventDraft, Taxpayer
from ledger_books import NOW, OTHER_TAXPAYER, TAXPAYER, Books, on_every_ledger


def draft(kind: str, taxpayer: str | None = None, subject: str | None = None) -> EventDraft:
    return EventDraft(kind, NOW, taxpayer, subject, {"n": 1, "t": "文", "b": True, "z": None})


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.kind for event in events]


@on_every_ledger
async def test_events_are_chained_and_read_by_position(books: Books) -> None:
    await books.ledger.append_events([draft("one"), draft("two")])
    await books.ledger.append_events([draft("three", TAXPAYER)])
    events = await books.ledger.events()
    assert [(e.sequence, e.writer) for e in events] == [(1, "node-a"), (2, "node-a"), (3, "node-a")]
    assert events[0].previous == bytes(32)
    assert [e.previous for e in events[1:]] == [e.hash for e in events[:-1]]
    assert events[0].data == {"n": 1, "t": "文", "b": True, "z": None}
    assert kinds(await books.ledger.events(after=events[0].position, limit=1)) == ["two"]
    assert await books.ledger.chain_tips() == [("node-a", 3, events[-1].hash)]


@on_every_ledger
async def test_the_events_of_a_taxpayer_and_of_an_order_are_found(books: Books) -> None:
    block = await books.block()
    await books.ledger.append_events([draft("refused", TAXPAYER, "o-1"), draft("platform")])
    (record,) = await books.admit(books.order(block, order="o-1"))
    await books.ledger.append_events([draft("note", TAXPAYER, "o-1"), draft("other", OTHER_TAXPAYER, "o-1")])
    await books.advance(record, State.EXPIRED)
    found = await books.ledger.events(taxpayer=TAXPAYER, subject="o-1")
    assert kinds(found) == ["refused", "issued", "note", "state.expired"]
    assert kinds(await books.ledger.events(taxpayer=OTHER_TAXPAYER, subject="o-1")) == ["other"]
    assert kinds(await books.ledger.events(taxpayer=OTHER_TAXPAYER)) == ["other"]
    assert len(await books.ledger.events(subject="o-1")) == 5
    first = found[0].position
    rest = await books.ledger.events(taxpayer=TAXPAYER, subject="o-1", after=first, limit=2)
    assert kinds(rest) == ["issued", "note"]


@on_every_ledger
async def test_an_event_of_a_kind_that_cannot_be_chained_is_refused_with_its_change(books: Books) -> None:
    block = await books.block()
    bad = EventDraft("x", NOW, TAXPAYER, "o", {"amount": 1.5})  # type: ignore[dict-item]
    with pytest.raises(Internal):
        await books.ledger.append_events([draft("good"), bad])
    with pytest.raises(Internal):
        await books.ledger.admit([books.order(block, event=bad)])
    with pytest.raises(Internal):
        await books.ledger.append_events([EventDraft("x", NOW.replace(tzinfo=None))])
    assert await books.ledger.events() == []


@on_every_ledger
async def test_the_trail_of_two_nodes_at_work_is_sound(books: Books) -> None:
    block = await books.block()
    for i in range(5):
        node = (books.ledger, books.other)[i % 2]
        await node.admit([books.order(block, i)])
    upload = await books.upload()
    assert upload is not None
    report = await read_trail(books.ledger, lambda head: True)
    assert report.sound
    assert report.events == 10
    assert all(w.uncovered == (1, w.last_sequence) for w in report.writers)


@on_every_ledger
async def test_heads_are_kept_as_they_were_signed(books: Books) -> None:
    await books.ledger.append_events([draft("one"), draft("two")])
    (writer, sequence, digest) = (await books.ledger.chain_tips())[0]
    heads = [
        ChainHead(writer, sequence, digest, NOW, "key-1", b"signature"),
        ChainHead("node-0", 7, b"h" * 32, NOW, "key-1", b"signature"),
    ]
    for head in heads:
        await books.ledger.save_head(head)
    assert await books.ledger.heads() == heads[::-1]


@on_every_ledger
async def test_taxpayers_are_kept_and_changed(books: Books) -> None:
    one = Taxpayer(TAXPAYER, "group", "示例公司", ("leqi", "middleware"))
    two = Taxpayer(OTHER_TAXPAYER, "group", "另一公司", ())
    await books.ledger.save_taxpayers([one, two])
    await books.ledger.save_taxpayers([Taxpayer(TAXPAYER, "group", "新名", ("leqi",))])
    assert await books.ledger.taxpayers() == [two, Taxpayer(TAXPAYER, "group", "新名", ("leqi",))]


@on_every_ledger
async def test_after_the_last_position_come_only_later_events(books: Books) -> None:
    assert await books.ledger.last_position() == 0
    await books.ledger.append_events([draft("one"), draft("two")])
    last = await books.ledger.last_position()
    assert await books.ledger.events(after=last) == []
    await books.other.append_events([draft("three")])
    assert kinds(await books.ledger.events(after=last)) == ["three"]
