"""Looks, for the taxpayers that this node holds, whether a month is to be compared, confirmed or warned about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from kaipiao.clock import SHANGHAI, Clock, month_of
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.month_end import MonthCloser, MonthDesk
from kaipiao.issuing.month_state import Manner, MonthContent, Wish, load
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.ports import Ids
from kaipiao.issuing.reconcile_policy import ReconcilePolicy, close_of, months_open
from kaipiao.issuing.reconciler import Later, Reconciler, begin_run, book_of
from kaipiao.issuing.shards import Shards
from kaipiao.ledger.port import EventDraft, Ledger

_EMPTY = MonthContent()


class MonthWatch:
    """`pairs`: (taxpayer, channel) of the settings."""

    def __init__(
        self,
        ledger: Ledger,
        pairs: Sequence[tuple[str, str]],
        reconciler: Reconciler,
        desk: MonthDesk,
        closer: MonthCloser,
        shards: Shards,
        clock: Clock,
        ids: Ids,
        errand_policy: Policy,
        policy: ReconcilePolicy,
    ) -> None:
        self._ledger = ledger
        self._pairs = pairs
        self._reconciler = reconciler
        self._desk = desk
        self._closer = closer
        self._ids = ids
        self._shards = shards
        self._clock = clock
        self._policy = policy
        self._judged: dict[tuple[str, str, str], int] = {}
        self._errands = Errands("reconciler", clock, errand_policy)

    async def work(self) -> float:
        """One round; seconds until the next."""
        await self.round()
        return self._policy.round_seconds

    async def round(self) -> int:
        """Start what is due and not under way. Returns how many comparisons and wishes came to their end."""
        books: dict[str, Mapping[tuple[str, str], MonthContent]] = {}
        for taxpayer, channel in self._pairs:
            if not self._shards.holds(taxpayer):
                continue
            if taxpayer not in books:
                stored = await self._ledger.month_books(taxpayer, self._policy.keep_open)
                books[taxpayer] = {(book.channel, book.month): load(book.content) for book in stored}
            mine = {month: content for (name, month), content in books[taxpayer].items() if name == channel}
            await self._look(taxpayer, channel, mine)
        return await self._errands.wait()

    async def close(self, grace: float) -> None:
        """What is cut is gone on with from the book, by whoever holds the taxpayer then."""
        await self._errands.close(grace)

    async def _look(self, taxpayer: str, channel: str, books: Mapping[str, MonthContent]) -> None:
        now = self._clock.now()
        for month in dict.fromkeys((*months_open(now), *books)):
            content = books.get(month, _EMPTY)
            place = (taxpayer, channel, month)
            if month in months_open(now):
                content = await self._by_itself(place, content, now)
            key = (taxpayer, channel, month)
            if not self._errands.is_free(key):
                continue
            if content.closing is not None and content.closing.is_open:
                self._errands.start(key, partial(self._closer.carry_out, *place))
            elif content.open_run() is not None:
                self._errands.start(key, partial(self._reconciler.go_on, *place))

    async def _by_itself(self, place: tuple[str, str, str], content: MonthContent, now: datetime) -> MonthContent:
        """The nightly comparison, the warnings before the close, and, if the settings want it, the confirmation."""
        manner: Manner | None = self._policy.due(content, place[2], now)
        if manner is not None:
            run = await begin_run(self._ledger, place, manner, None, self._ids.next(), now)
            content = replace(content, run=run)
        if place[2] != month_of(now):
            await self._warn(place, content, now)
            await self._confirm(place, content, now)
        return content

    async def _warn(self, place: tuple[str, str, str], content: MonthContent, now: datetime) -> None:
        left = close_of(place[2]) - now
        due = [days for days in self._policy.warn_days if left <= timedelta(days=days) and days not in content.warned]
        if not due:
            return
        book = await book_of(self._ledger, *place)
        view = await self._desk.view(*place)
        events = []
        if view.open or not _is_confirmed(view.content):
            data: dict[str, str | int] = {"month": place[2], "channel": place[1], "open": len(view.open)}
            data |= {"deadline": view.deadline.isoformat(), "days_left": min(due)}
            events = [EventDraft("alarm.month", now, place[0], None, data)]
        try:
            await book.save(replace(book.content, warned=(*book.content.warned, *due)), events=events)
        except Later:
            return  # another change came in between: the next round looks again

    async def _confirm(self, place: tuple[str, str, str], content: MonthContent, now: datetime) -> None:
        if self._policy.confirm != "when_equal" or now.astimezone(SHANGHAI).day < self._policy.confirm_day:
            return
        if content.closing is not None and content.closing.wish is Wish.UNCONFIRM:
            return  # a person opened it again: he has something to mend, and says when it is done
        run = content.run
        if run is None or run.ended_at is None or self._judged.get(place) == run.id or _is_confirmed(content):
            return
        self._judged[place] = run.id  # once after each comparison: to look costs a sum over the month
        try:
            await self._desk.wish(*place, Wish.CONFIRM, None)
        except Later:
            return  # another change came in between: the next round looks again


def _is_confirmed(content: MonthContent) -> bool:
    return content.seen is not None and content.seen.state != "open"
