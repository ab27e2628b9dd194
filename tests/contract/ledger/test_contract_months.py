"""Months and what differs in them: what every ledger promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.month_books import FindingRow, MonthBook, Tally
from kaipiao.ledger.port import EventDraft
from ledger_books import CHANNEL, MONTH, NOW, OTHER_TAXPAYER, TAXPAYER, Books, on_every_ledger

EMPTY = MonthBook(TAXPAYER, CHANNEL, MONTH, 0, "{}")


def row(number: str, run: int = 1, **changes: object) -> FindingRow:
    plain = FindingRow(
        TAXPAYER,
        CHANNEL,
        MONTH,
        "different",
        number,
        "a\0b\\",
        {"amount": "1.00", "x": None},
        {"amount": "２"},
        run,
        NOW,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def done(kind: str = "reconcile.ended") -> EventDraft:
    return EventDraft(kind, NOW, TAXPAYER, None, {"channel": CHANNEL})


async def told(books: Books, kind: str) -> list[tuple[str | None, object]]:
    return [(e.subject, e.data["number"]) for e in await books.ledger.events(taxpayer=TAXPAYER) if e.kind == kind]


@on_every_ledger
async def test_of_nodes_that_write_one_book_at_once_one_succeeds(books: Books) -> None:
    assert await books.ledger.month_book(TAXPAYER, CHANNEL, MONTH) is None
    nodes = (books.ledger, books.other, books.ledger)
    saving = [node.save_month_book(replace(EMPTY, content=f'"{n}"'), [row(str(n))]) for n, node in enumerate(nodes)]
    held = await asyncio.gather(*saving)
    assert sorted(held) == [False, False, True]
    winner = held.index(True)
    assert await books.other.month_book(TAXPAYER, CHANNEL, MONTH) == replace(EMPTY, version=1, content=f'"{winner}"')
    assert await told(books, "reconcile.found") == [("a\0b\\", str(winner))]
    assert not await books.other.save_month_book(EMPTY, [row("9")])
    assert not await books.other.save_month_book(replace(EMPTY, version=2), [row("9")])
    assert [found.number for found in await books.ledger.findings(TAXPAYER)] == [str(winner)]


@on_every_ledger
async def test_a_finding_is_told_once_and_cleared_when_a_run_does_not_see_it(books: Books) -> None:
    ledger = books.ledger
    assert await ledger.save_month_book(EMPTY, [row("1"), row("2"), row("", kind="month_total_off", order=None)])
    later = NOW + timedelta(days=1)
    again = row("1", run=2, found_at=later, ours={"tax": "3.00"})
    assert await ledger.save_month_book(replace(EMPTY, version=1), [again])
    assert await ledger.save_month_book(replace(EMPTY, version=2), [row("3", run=2)], sweep=2, events=[done()])
    assert await ledger.findings(TAXPAYER) == [replace(again, found_at=NOW), row("3", run=2)]
    assert sorted(await told(books, "reconcile.found"), key=str) == sorted(
        [("a\0b\\", "1"), ("a\0b\\", "2"), (None, None), ("a\0b\\", "3")], key=str
    )
    assert sorted(await told(books, "reconcile.cleared"), key=str) == sorted([("a\0b\\", "2"), (None, None)], key=str)
    assert len([e for e in await ledger.events(taxpayer=TAXPAYER) if e.kind == "reconcile.ended"]) == 1


@on_every_ledger
async def test_books_and_findings_of_one_taxpayer_channel_and_month_are_apart(books: Books) -> None:
    ledger = books.ledger
    places = [(TAXPAYER, CHANNEL, "2026-02"), (TAXPAYER, "other", MONTH), (OTHER_TAXPAYER, CHANNEL, MONTH)]
    for taxpayer, channel, month in [(TAXPAYER, CHANNEL, MONTH), *places]:
        book = MonthBook(taxpayer, channel, month, 0, "{}")
        assert await ledger.save_month_book(book, [row("1", taxpayer=taxpayer, channel=channel, month=month)])
    assert await ledger.save_month_book(replace(EMPTY, version=1), sweep=2, events=[done()])
    found = [(f.taxpayer, f.channel, f.month) for f in await ledger.findings(TAXPAYER)]
    assert found == [(TAXPAYER, "other", MONTH), (TAXPAYER, CHANNEL, "2026-02")]
    assert [f.month for f in await ledger.findings(TAXPAYER, channel=CHANNEL)] == ["2026-02"]
    assert [f.channel for f in await ledger.findings(TAXPAYER, month=MONTH)] == ["other"]
    assert len(await ledger.findings(TAXPAYER, limit=1)) == 1
    listed = [(b.channel, b.month) for b in await ledger.month_books(TAXPAYER, 10)]
    assert listed == [(CHANNEL, MONTH), ("other", MONTH), (CHANNEL, "2026-02")]
    assert len(await ledger.month_books(TAXPAYER, 2)) == 2


@on_every_ledger
async def test_a_month_is_counted_by_state_and_colour(books: Books) -> None:
    block = await books.block(4)
    await books.admit(
        books.order(block, 0),
        books.order(block, 1),
        books.order(block, 2, amount=Decimal("-7.00"), tax=Decimal("-0.91"), total=Decimal("-7.91")),
        books.unnumbered(),
    )
    assert await books.ledger.month_tally(TAXPAYER, "other", MONTH) == []
    assert await books.ledger.month_tally(TAXPAYER, CHANNEL, "2026-02") == []
    assert await books.ledger.month_tally(OTHER_TAXPAYER, CHANNEL, MONTH) == []
    assert sorted(await books.ledger.month_tally(TAXPAYER, CHANNEL, MONTH), key=lambda t: t.red) == [
        Tally(State.ISSUED, False, 2, Decimal("200.00"), Decimal("26.00")),
        Tally(State.ISSUED, True, 1, Decimal("-7.00"), Decimal("-0.91")),
    ]
