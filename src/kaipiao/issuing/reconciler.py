"""Compares two sides' books of a month (R12): the bureau's list against ours, or number by number, then the totals.

Only for taxpayers that this node holds; all that matters is in the month's book, so a run that a node left is gone on with by
whoever holds the taxpayer next. A request for a list is written down before it is sent: none is spent twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from kaipiao.authority.channel import Answer, Channel, Held, ListedInvoice, ListPacket
from kaipiao.authority.channel import Outcome as Heard
from kaipiao.clock import SHANGHAI, Clock, month_end, month_of
from kaipiao.errors import KaipiaoError
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import comparison
from kaipiao.issuing.calls import Calls
from kaipiao.issuing.comparison import Ours
from kaipiao.issuing.findings import Finding, Kind
from kaipiao.issuing.month_state import ListRequest, Manner, MonthContent, Outcome, Run, Seen, dump, load
from kaipiao.issuing.reconcile_policy import ReconcilePolicy, first_instant
from kaipiao.issuing.wire import unreached, upload_item
from kaipiao.ledger.month_books import FindingRow, MonthBook
from kaipiao.ledger.port import EventDraft, InvoiceRecord, Ledger, Span

log = logging.getLogger(__name__)

_PAGE = 500
_DIGESTS_IN_A_ROW = 50  # of ours, before others have a turn
_EXAMINED = {
    Manner.TOTALS: frozenset({Kind.TOTAL_OFF}),
    Manner.NUMBERS: frozenset({Kind.MISSING_THERE, Kind.DIFFERENT, Kind.STUCK, Kind.TOTAL_OFF}),
    Manner.LIST: frozenset(Kind),
}


class Later(Exception):
    """It cannot go on now: the list is being made, the far side cannot be reached, or another node is at work."""


class Book:
    """A month's book while one errand works on it: each change is stored before anything else is done."""

    def __init__(self, ledger: Ledger, book: MonthBook) -> None:
        self._ledger = ledger
        self.row = book
        self.content = load(book.content)

    @property
    def run(self) -> Run:
        assert self.content.run is not None
        return self.content.run

    async def save(
        self,
        content: MonthContent,
        findings: Sequence[FindingRow] = (),
        *,
        sweep: int | None = None,
        events: Sequence[EventDraft] = (),
    ) -> None:
        """Raises `Later` when another node was faster."""
        row = replace(self.row, content=dump(content))
        if not await self._ledger.save_month_book(row, findings, sweep=sweep, events=events):
            raise Later
        self.row, self.content = replace(row, version=row.version + 1), content

    async def save_run(self, findings: Sequence[FindingRow] = (), **changes: object) -> None:
        run = replace(self.run, **changes)  # type: ignore[arg-type]
        if run == self.run and not findings:
            return
        await self.save(replace(self.content, run=run), findings)


async def book_of(ledger: Ledger, taxpayer: str, channel: str, month: str) -> Book:
    """The stored one, or a new one."""
    stored = await ledger.month_book(taxpayer, channel, month)
    return Book(ledger, stored or MonthBook(taxpayer, channel, month, 0, dump(MonthContent())))


async def begin_run(
    ledger: Ledger, place: tuple[str, str, str], manner: Manner, asked_by: str | None, number: int, now: datetime
) -> Run:
    """Write a comparison down, on any node; the one that holds the taxpayer makes it. One that is under way is returned as it
    is. `place`: taxpayer, channel, month."""
    book = await book_of(ledger, *place)
    if (under_way := book.content.open_run()) is not None:
        return under_way
    run = Run(number, manner, now, asked_by)
    try:
        await book.save(replace(book.content, run=run))
    except Later:
        book = await book_of(ledger, *place)
        return book.content.run or run
    return run


class Reconciler:
    """One comparison at a time for each book."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        calls: Calls,
        clock: Clock,
        policy: ReconcilePolicy,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._calls = calls
        self._clock = clock
        self._policy = policy
        self._not_before: dict[str, datetime] = {}  # tickets: when to look again

    async def go_on(self, taxpayer: str, channel_name: str, month: str) -> int:
        """Bring the open run of a book as far as it goes now. Returns 1 when it came to its end."""
        channel = self._channels[channel_name]
        book = await book_of(self._ledger, taxpayer, channel_name, month)
        if book.content.open_run() is None:
            return 0
        try:
            await self._compare(channel, book)
        except Later:
            return 0
        return 1

    async def _compare(self, channel: Channel, book: Book) -> None:
        if book.run.manner is Manner.LIST:
            tickets = await self._tickets(channel, book)
            if tickets is None:
                await book.save_run(manner=Manner.NUMBERS, cursor=0, checked=0, unjudged=0)
            else:
                await book.save_run(checked=0, unjudged=0)
                await self._by_list(channel, book, tickets)
        if book.run.manner is Manner.NUMBERS:
            await self._by_number(channel, book, None, book.run.begun_at)
        if book.run.manner is Manner.TOTALS:
            await self._stuck(book)
        off = await self._totals(channel, book)
        if off is not None and book.run.manner is Manner.TOTALS and self._may_apply(channel, book):
            await book.save_run(manner=Manner.LIST)
            await self._compare(channel, book)
            return
        await self._end(book, off)

    # --- the bureau's list ---------------------------------------------------------------------------------------

    def _may_apply(self, channel: Channel, book: Book) -> bool:
        kinds = channel.capabilities.list_kinds
        return bool(kinds) and all(self._is_left(channel, book, kind) for kind in kinds)

    def _is_left(self, channel: Channel, book: Book, kind: str) -> bool:
        """Whether a request for this kind is left today and in all."""
        now, limits = self._clock.now(), channel.capabilities
        spent = [request.at for request in book.content.requests if request.kind == kind]
        today = [at for at in spent if _day(at) == _day(now)]
        most = limits.lists_this_month if book.row.month == month_of(now) else limits.lists_past_month
        return len(today) < limits.lists_a_day and len(spent) < most

    async def _tickets(self, channel: Channel, book: Book) -> dict[str, ListRequest] | None:
        """Of every kind the ticket of this run, applied for where it has none; None: no list is to be had."""
        mine = {request.kind: request for request in book.content.requests if request.run == book.run.id}
        kinds = channel.capabilities.list_kinds
        missing = [kind for kind in kinds if kind not in mine]
        lost = any(request.ticket is None for request in mine.values())
        if not kinds or lost or not all(self._is_left(channel, book, kind) for kind in missing):
            return None
        for kind in missing:
            request = await self._apply(channel, book, kind)
            if request is None:
                return None
            mine[kind] = request
        return mine

    async def _apply(self, channel: Channel, book: Book, kind: str) -> ListRequest | None:
        """Spend one request. It counts as spent unless it surely did not arrive."""
        request = ListRequest(book.run.id, kind, self._clock.now())
        before = book.content.requests
        await book.save(replace(book.content, requests=(*before, request)))
        taxpayer, month = book.row.taxpayer, book.row.month
        call = partial(channel.apply_list, taxpayer, month, kind)
        answer = await self._calls.ask(taxpayer, channel.name, "apply_list", call)
        if answer is None or answer.outcome in {Heard.NOT_SENT, Heard.NOT_ACCEPTED}:
            await book.save(replace(book.content, requests=before))
            raise Later
        if answer.outcome is not Heard.OK or answer.value is None:
            log.warning("no list", extra={"taxpayer": taxpayer, "month": month, "code": answer.code})
            return None
        request = replace(request, ticket=answer.value)
        await book.save(replace(book.content, requests=(*before, request)))
        return request

    async def _by_list(self, channel: Channel, book: Book, requests: Mapping[str, ListRequest]) -> None:
        numbers: set[str] = set()
        for kind, request in requests.items():
            packet = await self._packet(channel, book, request, 1)
            for at in range(1, packet.packets + 1):
                packet = packet if at == 1 else await self._packet(channel, book, request, at)
                await self._compare_packet(channel, book, packet.entries)
                numbers.update(entry.number for entry in packet.entries)
            log.info("list read", extra={"taxpayer": book.row.taxpayer, "kind": kind, "packets": packet.packets})
        oldest = min(request.at for request in requests.values())
        await book.save_run(cursor=0)  # of ours, anew
        await self._by_number(channel, book, numbers, oldest)

    async def _packet(self, channel: Channel, book: Book, request: ListRequest, at: int) -> ListPacket:
        ticket, taxpayer = request.ticket or "", book.row.taxpayer
        if self._not_before.get(ticket, self._clock.now()) > self._clock.now():
            raise Later
        call = partial(channel.list_packet, taxpayer, ticket, at)
        answer = await self._calls.ask(taxpayer, channel.name, "list_packet", call)
        if answer is not None and answer.outcome is Heard.OK and answer.value is not None:
            self._not_before.pop(ticket, None)
            return answer.value
        if answer is not None and answer.outcome is Heard.REJECTED:  # there is no such list any more
            await book.save_run(manner=Manner.NUMBERS, cursor=0, checked=0, unjudged=0)
        self._not_before[ticket] = self._clock.now() + timedelta(seconds=channel.capabilities.list_wait)
        raise Later

    async def _compare_packet(self, channel: Channel, book: Book, entries: Sequence[ListedInvoice]) -> None:
        row = book.row
        found: list[Finding] = []
        for first in range(0, len(entries), _PAGE):
            some = entries[first : first + _PAGE]
            records = await self._ledger.find(row.taxpayer, numbers=[entry.number for entry in some])
            ours = {each.record.number: each for each in await self._with_content(channel, records)}
            judged = (comparison.listed(row.month, ours.get(e.number), e, row.taxpayer, row.channel) for e in some)
            found += [finding for finding in judged if finding is not None]
        await book.save_run(self._rows(book, found), checked=book.run.checked + len(entries))

    # --- ours ----------------------------------------------------------------------------------------------------

    async def _by_number(self, channel: Channel, book: Book, listed: set[str] | None, before: datetime) -> None:
        """Every invoice of ours, by id. With a list: those that it lacks, though they were confirmed before it was applied
        for, are asked about; without one: all that we believe confirmed."""
        begin = first_instant(book.row.month)
        span = Span(begin, month_end(begin))
        size = _PAGE if listed is not None else self._policy.ask_batch
        while True:
            after, place = book.run.cursor, (book.row.taxpayer,)
            page = await self._ledger.page(*place, after=after, limit=size, channel=book.row.channel, made=span)
            if not page:
                return
            found, unjudged = await self._judge(channel, book, page, listed, before)
            checked = book.run.checked + (len(page) if listed is None else 0)
            changes = {"cursor": page[-1].id, "checked": checked, "unjudged": book.run.unjudged + unjudged}
            await book.save_run(self._rows(book, found), **changes)

    async def _stuck(self, book: Book) -> None:
        """Of ours alone: what should have been settled by now."""
        begin, after, now = first_instant(book.row.month), 0, self._clock.now()
        span, wanted = Span(begin, month_end(begin)), (State.UNKNOWN, State.CONFLICT)
        while page := await self._ledger.page(
            book.row.taxpayer, states=wanted, after=after, limit=_PAGE, channel=book.row.channel, made=span
        ):
            judged = [comparison.stuck(book.row.month, r, now, self._policy.stuck_seconds, None) for r in page]
            await book.save_run(self._rows(book, [finding for finding in judged if finding is not None]))
            after = page[-1].id

    async def _judge(
        self, channel: Channel, book: Book, page: Sequence[InvoiceRecord], listed: set[str] | None, before: datetime
    ) -> tuple[list[Finding], int]:
        month, now = book.row.month, self._clock.now()
        found: list[Finding] = []
        doubtful: list[InvoiceRecord] = []
        for record in page:
            there = None if listed is None else record.number in listed
            if record.state is State.CONFIRMED and not there and record.accepted_at and record.accepted_at <= before:
                doubtful.append(record)
            elif record.state is not State.CONFLICT or not there:  # a conflict in the list was told with its fields
                stuck = comparison.stuck(month, record, now, self._policy.stuck_seconds, there)
                found += [stuck] if stuck is not None else []
        unjudged = 0
        for each in await self._with_content(channel, doubtful):
            answer = await self._ask(channel, each.record)
            if answer.outcome is not Heard.OK:
                unjudged += 1
                continue
            finding = comparison.asked(month, each, answer.value)
            found += [finding] if finding is not None else []
        return found, unjudged

    async def _ask(self, channel: Channel, record: InvoiceRecord) -> Answer[Held | None]:
        call = partial(channel.ask, record.taxpayer, record.number or "", record.made_at, record.total, record.kind)
        answer = await self._calls.ask(record.taxpayer, channel.name, "ask", call)
        if answer is None or unreached(answer):
            raise Later
        return answer

    async def _with_content(self, channel: Channel, records: Sequence[InvoiceRecord]) -> list[Ours]:
        """With their digests; one of which the content cannot be read is compared by its figures alone."""
        if not records:
            return []
        documents = await self._ledger.documents(records[0].taxpayer, [record.id for record in records])
        ours = []
        for at, record in enumerate(records, 1):
            document, digest = documents.get(record.id), b""
            if document is not None:
                try:
                    digest = channel.content_digest(upload_item(record, document))
                except KaipiaoError as error:
                    log.error("content unreadable", extra={"taxpayer": record.taxpayer, "code": error.code})
                    document = None
            ours.append(Ours(record, document, digest))
            if at % _DIGESTS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        return ours

    # --- the totals, and the end ---------------------------------------------------------------------------------

    async def _totals(self, channel: Channel, book: Book) -> Finding | None:
        """Compare the month's totals. What the bureau said is kept."""
        row = book.row
        if not channel.capabilities.monthly_summary:
            return None
        place = (row.taxpayer, row.channel, row.month)
        before = await self._ledger.month_tally(*place)
        call = partial(channel.summary, row.taxpayer, row.month)
        answer = await self._calls.ask(row.taxpayer, channel.name, "summary", call)
        if answer is None or unreached(answer):
            raise Later
        if answer.outcome is not Heard.OK or answer.value is None:
            await book.save_run(unjudged=book.run.unjudged + 1)
            return None
        after = await self._ledger.month_tally(*place)
        seen = Seen(self._clock.now(), answer.value.state, answer.value.totals)
        await book.save(replace(book.content, seen=seen))
        return comparison.total_off(*place, before, after, answer.value.totals)

    async def _end(self, book: Book, off: Finding | None) -> None:
        """What this manner did not look for stays; what it looked for and did not see is gone."""
        row, run, now = book.row, book.run, self._clock.now()
        known = await self._ledger.findings(row.taxpayer, channel=row.channel, month=row.month, limit=10**6)
        kept = [replace(f, run=run.id) for f in known if f.run != run.id and not await self._is_over(run, f)]
        kept += self._rows(book, [off] if off is not None else [])
        count = len({f.place for f in kept} | {f.place for f in known if f.run == run.id})
        outcome = Outcome.DIFFERS if count else Outcome.INCOMPLETE if run.unjudged else Outcome.AGREES
        ended = replace(run, ended_at=now, outcome=outcome, findings=count)
        event = _ended(row, ended, now)
        await book.save(replace(book.content, run=ended), kept, sweep=run.id, events=[event])

    async def _is_over(self, run: Run, finding: FindingRow) -> bool:
        """Whether a finding that this run did not see is gone. With something unjudged, only what it saw is known."""
        kind = Kind(finding.kind)
        if kind is Kind.STUCK or (kind is Kind.MISSING_HERE and run.manner is not Manner.LIST):
            records = await self._ledger.find(finding.taxpayer, numbers=[finding.number])
            wanted = {State.UNKNOWN} if kind is Kind.STUCK else set(State) - {State.CONFIRMED}
            return bool(records) and records[0].state not in wanted
        return kind in _EXAMINED[run.manner] and (not run.unjudged or kind is Kind.MISSING_HERE)

    def _rows(self, book: Book, findings: Sequence[Finding]) -> list[FindingRow]:
        now, run = self._clock.now(), book.run.id
        return [
            FindingRow(f.taxpayer, f.channel, f.month, str(f.kind), f.number or "", f.order, f.ours, f.theirs, run, now)
            for f in findings
        ]


def _day(instant: datetime) -> str:
    return instant.astimezone(SHANGHAI).date().isoformat()


def _ended(book: MonthBook, run: Run, now: datetime) -> EventDraft:
    data: dict[str, str | int] = {"channel": book.channel, "month": book.month, "manner": str(run.manner)}
    data |= {"outcome": str(run.outcome), "findings": run.findings, "checked": run.checked}
    return EventDraft("reconcile.ended", now, book.taxpayer, None, data)
