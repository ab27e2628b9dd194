"""Pages of invoices by state, kind, channel and time: what every ledger promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import ALWAYS, InvoiceRecord, Span
from ledger_books import NOW, OTHER_TAXPAYER, TAXPAYER, Books, on_every_ledger

HOUR = timedelta(hours=1)
SPANS = (
    ALWAYS,
    Span(NOW + HOUR, None),
    Span(None, NOW + 3 * HOUR),
    Span(NOW + HOUR, NOW + 4 * HOUR),
    Span(NOW + 90 * HOUR, None),
    Span(NOW + 3 * HOUR, NOW + HOUR),
)


async def filled(books: Books) -> list[InvoiceRecord]:
    """Two kinds, two channels, three states, at times that do not rise with the ids; another taxpayer's beside them."""
    for place, (kind, channel, hours) in enumerate(product(("general", "special"), ("leqi", "other"), (3, 0, 4, 1))):
        order = books.unnumbered(kind=kind, channel=channel, made_at=NOW + hours * HOUR)
        (record,) = await books.admit(order)
        if place % 3:
            await books.advance(record, State.CANCELLED if place % 3 == 1 else State.EXPIRED)
        await books.admit(replace(books.unnumbered(), taxpayer=OTHER_TAXPAYER))
    return await books.ledger.page(TAXPAYER, limit=1000)


def inside(record: InvoiceRecord, span: Span) -> bool:
    return (span.first is None or record.made_at >= span.first) and (span.end is None or record.made_at < span.end)


@on_every_ledger
async def test_a_page_holds_what_was_asked_for_and_nothing_else(books: Books) -> None:
    everything = await filled(books)
    assert len(everything) == 16
    choices = product(((), (State.ACCEPTED, State.EXPIRED)), (None, "special"), (None, "other"), SPANS)
    for states, kind, channel, span in choices:
        wanted = [
            r
            for r in everything
            if (not states or r.state in states)
            and kind in (None, r.kind)
            and channel in (None, r.channel)
            and inside(r, span)
        ]
        found = await books.ledger.page(TAXPAYER, states=states, kind=kind, channel=channel, made=span)
        assert found == wanted


@on_every_ledger
async def test_pages_follow_each_other_by_the_last_id_without_gap_or_double(books: Books) -> None:
    everything = await filled(books)
    span = Span(NOW + HOUR, NOW + 4 * HOUR)
    found: list[InvoiceRecord] = []
    while page := await books.ledger.page(TAXPAYER, made=span, after=found[-1].id if found else 0, limit=3):
        found += page
    assert found == [r for r in everything if inside(r, span)]
