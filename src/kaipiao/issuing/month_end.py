"""The month's end (汇总确认): what stands in its way, confirming it, opening it again (R12).

A wish to confirm is written into the month's book; the node that holds the taxpayer carries it out. It is sent at most once
for each answer that surely came: after silence the bureau is asked how the month stands, never guessed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from kaipiao.authority.channel import Answer, Channel, MonthState, MonthSummary, MonthTotals
from kaipiao.authority.channel import Outcome as Heard
from kaipiao.clock import Clock, month_end
from kaipiao.invoice.lifecycle import DEBT
from kaipiao.issuing import comparison
from kaipiao.issuing.calls import Calls
from kaipiao.issuing.month_state import Closing, MonthContent, Seen, Wish
from kaipiao.issuing.reconcile_policy import close_of, first_instant
from kaipiao.issuing.reconciler import Book, Later, book_of
from kaipiao.ledger.month_books import FindingRow, Tally
from kaipiao.ledger.port import EventDraft, Ledger

log = logging.getLogger(__name__)

CLOCK_MARGIN = timedelta(
    minutes=5
)  # after a month's end: what a node with a slow clock made in it is in the books by then


@dataclass(frozen=True, slots=True)
class MonthView:
    """A month of one taxpayer and channel, side by side. `open`: what stands in the way of confirming it, as codes:
    month.not_over, month.closed, month.confirmed, bureau.not_asked, debt.<state>=<count>, finding.<kind>=<count>,
    total.<field>=<ours>/<theirs>."""

    taxpayer: str
    channel: str
    month: str
    deadline: datetime
    ours: MonthTotals
    content: MonthContent
    open: tuple[str, ...]


def obstacles(
    month: str, tallies: list[Tally], findings: Sequence[FindingRow], seen: Seen | None, now: datetime
) -> tuple[str, ...]:
    """Everything that stands in the way, in a fixed order. Pure."""
    found = []
    if now < month_end(first_instant(month)) + CLOCK_MARGIN:
        found.append("month.not_over")
    if now >= close_of(month) or (seen is not None and seen.state is MonthState.CLOSED):
        found.append("month.closed")
    debt = Counter({tally.state: 0 for tally in tallies if tally.state in DEBT})
    for tally in tallies:
        if tally.state in DEBT:
            debt[tally.state] += tally.count
    found += [f"debt.{state}={debt[state]}" for state in sorted(debt)]
    kinds = Counter(finding.kind for finding in findings)
    found += [f"finding.{kind}={kinds[kind]}" for kind in sorted(kinds)]
    if seen is None:
        return (*found, "bureau.not_asked")
    differing = comparison.differing_totals(comparison.totals_of(tallies), seen.totals)
    return (*found, *(f"total.{name}={mine}/{theirs}" for name, mine, theirs in differing))


class MonthDesk:
    """What any node may do: look, and write a wish down. Nobody is asked."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def view(self, taxpayer: str, channel: str, month: str) -> MonthView:
        """As the ledger has it now."""
        return await self.view_of(await book_of(self._ledger, taxpayer, channel, month))

    async def view_of(self, book: Book) -> MonthView:
        place = (book.row.taxpayer, book.row.channel, book.row.month)
        tallies = await self._ledger.month_tally(*place)
        findings = await self._ledger.findings(place[0], channel=place[1], month=place[2], limit=10**6)
        open_items = obstacles(place[2], tallies, findings, book.content.seen, self._clock.now())
        return MonthView(*place, close_of(place[2]), comparison.totals_of(tallies), book.content, open_items)

    async def wish(
        self, taxpayer: str, channel: str, month: str, wish: Wish, asked_by: str | None
    ) -> tuple[MonthView, tuple[str, ...]]:
        """Write the wish down. The second part says why not, when something stands in its way: then nothing is written."""
        book = await book_of(self._ledger, taxpayer, channel, month)
        view = await self.view_of(book)
        refusal = _refusal(view, wish)
        if refusal or _is_so(view.content, wish):
            return view, refusal
        under_way = book.content.closing
        if under_way is None or not under_way.is_open or under_way.wish is not wish:
            closing = Closing(wish, self._clock.now(), asked_by)
            await book.save(replace(book.content, closing=closing))
        return await self.view_of(book), ()


class MonthCloser:
    """Carries wishes out, on the node that holds the taxpayer."""

    def __init__(
        self, ledger: Ledger, channels: Mapping[str, Channel], calls: Calls, clock: Clock, desk: MonthDesk
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._calls = calls
        self._clock = clock
        self._desk = desk

    async def carry_out(self, taxpayer: str, channel_name: str, month: str) -> int:
        """Bring the open wish of a book as far as it goes now. Returns 1 when it came to its end."""
        channel = self._channels[channel_name]
        book = await book_of(self._ledger, taxpayer, channel_name, month)
        closing = book.content.closing
        if closing is None or not closing.is_open:
            return 0
        try:
            await self._carry_out(channel, book, closing)
        except Later:
            return 0
        return 1

    async def _carry_out(self, channel: Channel, book: Book, closing: Closing) -> None:
        """Ask; if it is not so yet and nothing stands in the way, send; then ask again and believe that alone."""
        await self._look(channel, book)
        if _is_so(book.content, closing.wish):
            await self._done(book, closing)
            return
        silent = closing.sent_at is not None
        if silent and self._clock.now() < (closing.sent_at or self._clock.now()) + self._settle(channel):
            raise Later  # an earlier copy may still arrive
        view = await self._desk.view_of(book)
        if refusal := _refusal(view, closing.wish):
            await self._refused(book, closing, refusal)
            return
        closing = replace(closing, sent_at=self._clock.now())
        await book.save(replace(book.content, closing=closing))
        answer = await self._send(channel, book, closing.wish, view.ours)
        if answer is None or answer.outcome in {Heard.NOT_SENT, Heard.NOT_ACCEPTED}:
            await book.save(replace(book.content, closing=replace(closing, sent_at=None)))
            raise Later
        if answer.outcome is Heard.REJECTED and not silent:
            await self._refused(book, closing, (f"bureau.refused={answer.code or ''}",))
            return
        await self._look(channel, book)
        if not _is_so(book.content, closing.wish):
            raise Later
        await self._done(book, closing)

    def _settle(self, channel: Channel) -> timedelta:
        return timedelta(seconds=channel.capabilities.settle)

    async def _look(self, channel: Channel, book: Book) -> None:
        row = book.row
        call = partial(channel.summary, row.taxpayer, row.month)
        answer: Answer[MonthSummary] | None = await self._calls.ask(row.taxpayer, channel.name, "summary", call)
        if answer is None or answer.outcome is not Heard.OK or answer.value is None:
            raise Later
        seen = Seen(self._clock.now(), answer.value.state, answer.value.totals)
        await book.save(replace(book.content, seen=seen))

    async def _send(self, channel: Channel, book: Book, wish: Wish, ours: MonthTotals) -> Answer[None] | None:
        row = book.row
        call = partial(channel.unconfirm_month, row.taxpayer, row.month)
        if wish is Wish.CONFIRM:
            call = partial(channel.confirm_month, row.taxpayer, row.month, ours)
        return await self._calls.ask(row.taxpayer, channel.name, f"{wish}_month", call)

    async def _done(self, book: Book, closing: Closing) -> None:
        now, row = self._clock.now(), book.row
        kind = "month.confirmed" if closing.wish is Wish.CONFIRM else "month.unconfirmed"
        data = {"month": row.month, "channel": row.channel, "actor": closing.asked_by}
        event = EventDraft(kind, now, row.taxpayer, None, data)
        done = replace(closing, done_at=now, refusal=())
        await book.save(replace(book.content, closing=done), events=[event])

    async def _refused(self, book: Book, closing: Closing, refusal: tuple[str, ...]) -> None:
        now, row = self._clock.now(), book.row
        data: dict[str, str | int | None] = {"month": row.month, "channel": row.channel, "open": len(refusal)}
        event = EventDraft("month.refused", now, row.taxpayer, None, data)
        log.warning("month not confirmed", extra={"taxpayer": row.taxpayer, "month": row.month, "open": len(refusal)})
        done = replace(closing, done_at=now, refusal=refusal)
        await book.save(replace(book.content, closing=done), events=[event])


def _refusal(view: MonthView, wish: Wish) -> tuple[str, ...]:
    """Why the wish cannot be carried out. To cancel, only that the month is not closed for good."""
    if wish is Wish.CONFIRM:
        return () if _is_so(view.content, wish) else view.open
    return tuple(code for code in view.open if code in {"month.closed", "bureau.not_asked"})


def _is_so(content: MonthContent, wish: Wish) -> bool:
    """Whether the bureau last said that it is as wished."""
    wanted = MonthState.CONFIRMED if wish is Wish.CONFIRM else MonthState.OPEN
    return content.seen is not None and content.seen.state is wanted
