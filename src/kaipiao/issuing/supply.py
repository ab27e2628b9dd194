"""Numbers and quota ahead of need (R7): pulled while the bureau answers, so that issuing never waits for it.

Each request is written down before it is sent; a lost answer is asked for again by the same serial, which the bureau
answers with the first result.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import partial
from math import ceil
from typing import TypeVar

from kaipiao.authority.channel import Answer, Channel, Outcome
from kaipiao.clock import Clock, month_end, month_of, year_of
from kaipiao.errors import BooksContradicted
from kaipiao.issuing import trail
from kaipiao.issuing.breakers import Breakers
from kaipiao.issuing.calls import Calls
from kaipiao.issuing.demand import demand_of
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.shards import Shards
from kaipiao.language import Text
from kaipiao.ledger.port import Ledger, QuotaRequest, SegmentRequest, Standing

log = logging.getLogger(__name__)
T = TypeVar("T")


class Supply:
    """Keeps the stock of numbers and quota, and the taxpayer's standing, for each (taxpayer, channel)."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        paces: Mapping[str, Pace],
        shards: Shards,
        breakers: Breakers,
        pairs: list[tuple[str, str]],
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._calls = Calls(paces, shards, breakers)
        self._shards = shards
        self._breakers = breakers
        self._pairs = pairs
        self._clock = clock
        self._policy = policy
        self._standings: dict[str, Standing] = {}
        self._valid_until: dict[tuple[str, str], tuple[str, datetime | None]] = {}
        self._errands = Errands("supply", clock, policy)
        self._enough: set[tuple[str, str]] = set()
        self._failures: dict[tuple[str, str], int] = {}
        self._not_before: dict[tuple[str, str], datetime] = {}
        self.hours_ahead: Callable[[str], float] = _nothing_planned  # so long the stock must last, by channel

    def quota_ended(self, taxpayer: str, channel: str, at: datetime) -> datetime | None:
        """Since when the quota of this month may not be used any more (business rule 4.8); None while it may."""
        month, until = self._valid_until.get((taxpayer, channel), ("", None))
        return until if until is not None and month == month_of(at) and at >= until else None

    def quota_until(self, taxpayer: str, channel: str) -> datetime | None:
        """Until when the quota of this month may be used, as this node read last."""
        month, until = self._valid_until.get((taxpayer, channel), ("", None))
        return until if month == month_of(self._clock.now()) else None

    def refuse_reason(self, taxpayer: str) -> str | None:
        """Why this taxpayer may not issue (business rule 4.7); None when it may, or when it was never told."""
        standing = self._standings.get(taxpayer)
        return None if standing is None else standing.refusal

    async def round(self) -> bool:
        """Look at every pair once; True when all have what they need. A slow bureau is not waited for. What another node
        cares for is only read, and what nobody can be asked for now."""
        now = self._clock.now()
        self._standings = await self._ledger.standings()
        for pair in self._pairs:
            if not self._shards.holds(pair[0]) or self._breakers.is_open(pair[1]):
                await self._read(pair, month_of(now))
            elif self._may_care(pair, now):
                self._errands.start(pair, partial(self._care, *pair))
        await self._errands.wait()
        return all(pair in self._enough or not self._shards.holds(pair[0]) for pair in self._pairs)

    def busy(self) -> set[str]:
        """The taxpayers with a call under way."""
        return self._errands.busy()

    def hurry(self, taxpayers: Collection[str]) -> None:
        """Their stock is used up: the next round looks at them, whatever failed before."""
        for pair in [pair for pair in self._not_before if pair[0] in taxpayers]:
            del self._not_before[pair]

    def _may_care(self, pair: tuple[str, str], now: datetime) -> bool:
        return self._not_before.get(pair, now) <= now and self._errands.is_free(pair)

    async def _read(self, pair: tuple[str, str], month: str) -> None:
        account = await self._ledger.quota(*pair, month)
        self._valid_until[pair] = (month, account.valid_until)
        self._failures.pop(pair, None)

    async def close(self, grace: float) -> None:
        """Calls under way get `grace` real seconds. What is cut is asked for again by its serial."""
        await self._errands.close(grace)

    async def _care(self, taxpayer: str, channel_name: str) -> int:
        pair = (taxpayer, channel_name)
        self._enough.discard(pair)
        channel = self._channels[channel_name]
        enough = True
        for care in (self._numbers, self._quota, self._standing):
            enough = await care(taxpayer, channel) and enough
        if enough:
            self._enough.add(pair)
            self._failures.pop(pair, None)
        else:
            self._not_before[pair] = self._clock.now() + timedelta(seconds=self._rest(pair))
        return 1

    def _rest(self, pair: tuple[str, str]) -> float:
        """Seconds until the next try: longer each time, unless the far side cannot be reached at all."""
        if not self._breakers.may_call(pair[1]):
            return self._policy.probe_seconds
        self._failures[pair] = self._failures.get(pair, 0) + 1
        return self._policy.backoff(self._failures[pair])

    async def _ask(
        self, taxpayer: str, channel: Channel, service: str, call: Callable[[], Awaitable[Answer[T]]]
    ) -> Answer[T]:
        answer = await self._calls.ask(taxpayer, channel.name, service, call)
        return answer or Answer(Outcome.NOT_SENT, code="supply.not_asked")

    async def _numbers(self, taxpayer: str, channel: Channel) -> bool:
        now = self._clock.now()
        year = year_of(now)
        await self._expire(taxpayer, channel.name, year, now)
        counts = await self._ledger.number_counts(taxpayer, channel.name, year)
        size = self._policy.segment_size
        refill, _ = await self._wanted(taxpayer, channel.name, now, self._policy.refill_hours)
        enough = max(size * self._policy.refill_below, refill)
        # What other nodes hold in memory serves nobody else: while none is free, a node without any waits for more.
        if counts.free + counts.leased >= enough and counts.free:
            return True
        if not self._sure_of(year_of, now):
            return False
        stock, _ = await self._wanted(taxpayer, channel.name, now, self._policy.stock_hours)
        quantity = min(max(size, stock), channel.capabilities.segment_limit)
        wanted = SegmentRequest(taxpayer, channel.name, year, channel.serial(), quantity)
        request = await self._ledger.open_segment_request(wanted, now)
        call = partial(channel.pull_numbers, taxpayer, request.quantity, request.serial)
        answer = await self._ask(taxpayer, channel, "numbers", call)
        if answer.outcome is not Outcome.OK or answer.value is None:
            _say("numbers.not_pulled", taxpayer, answer.code)
            return False
        segment = answer.value
        if segment.first[:2] != f"{year % 100:02d}":
            raise BooksContradicted(
                Text("税局下发的号段不属于本年", "The bureau gave numbers of another year"), first=segment.first
            )
        await self._ledger.fill_segment(taxpayer, request.serial, segment.first, segment.last, self._clock.now())
        return True

    async def _wanted(self, taxpayer: str, channel: str, now: datetime, hours: float) -> tuple[int, Decimal]:
        """Invoices and quota for so many hours at the rate of the last one; before a planned maintenance no less than what all
        hours to its end take, each by its own rate."""
        issued, amount = await self._ledger.issued_since(taxpayer, now - timedelta(hours=1))
        ahead = self.hours_ahead(channel)
        longest = max(hours, ahead)
        invoices, quota = ceil(issued * longest), amount * Decimal(str(longest))
        if not ahead:
            return invoices, quota
        usual = (await demand_of(self._ledger, taxpayer, now)).until(ahead)
        return max(invoices, usual[0]), max(quota, usual[1])

    def _sure_of(self, period: Callable[[datetime], object], now: datetime) -> bool:
        """Whether the bureau's clock, which may differ a little, is in the same year or month."""
        guard = timedelta(seconds=self._policy.year_guard)
        return period(now - guard) == period(now + guard)

    async def _expire(self, taxpayer: str, channel: str, year: int, now: datetime) -> None:
        expired = await self._ledger.expire_numbers(taxpayer, channel, year)
        if expired:
            await self._ledger.append_events([trail.platform("numbers.expired", now, taxpayer, count=expired)])

    async def _quota(self, taxpayer: str, channel: Channel) -> bool:
        now = self._clock.now()
        month = month_of(now)
        account = await self._ledger.quota(taxpayer, channel.name, month)
        self._valid_until[(taxpayer, channel.name)] = (month, account.valid_until)
        valid = account.valid_until is None or account.valid_until > now
        step = self._policy.quota_step
        _, refill = await self._wanted(taxpayer, channel.name, now, self._policy.refill_hours)
        enough = max(step * Decimal(str(self._policy.refill_below)), refill)
        if account.left >= enough and valid:
            return True
        if not self._sure_of(month_of, now):
            return False
        standing = await self._ask(taxpayer, channel, "quota", partial(channel.quota, taxpayer))
        if standing.outcome is not Outcome.OK or standing.value is None:
            _say("quota.not_read", taxpayer, standing.code)
            return False
        if standing.value.month != month:  # around the turn of a month the two clocks may not agree on it
            _say("quota.of_another_month", taxpayer, standing.value.month)
            return False
        _, wanted = await self._wanted(taxpayer, channel.name, now, self._policy.stock_hours)
        stock = wanted.quantize(Decimal("0.01"))
        half = (standing.value.usable / 2).quantize(Decimal("0.01"), ROUND_DOWN)
        amount = min(max(step, min(stock, half)), standing.value.usable)  # others may issue for this taxpayer too
        if amount <= 0 or standing.value.paused:
            _say("quota.none_left", taxpayer, "paused" if standing.value.paused else "used")
            return account.left > 0
        return await self._download(taxpayer, channel, month, amount)

    async def _download(self, taxpayer: str, channel: Channel, month: str, amount: Decimal) -> bool:
        wanted = QuotaRequest(taxpayer, channel.name, month, channel.serial(), amount)
        now = self._clock.now()
        request = await self._ledger.open_quota_request(wanted, now)
        call = partial(channel.move_quota, taxpayer, request.amount, request.serial, returning=False)
        answer = await self._ask(taxpayer, channel, "move_quota", call)
        if answer.outcome is not Outcome.OK or answer.value is None:
            _say("quota.not_downloaded", taxpayer, answer.code)
            return False
        grant = answer.value
        if month_of(now) != month or grant.valid_until > month_end(now):  # the month turned while it was on its way
            _say("quota.of_another_month", taxpayer, month)
            return False
        await self._ledger.fill_quota(
            taxpayer, request.serial, grant.amount, grant.valid_from, grant.valid_until, self._clock.now()
        )
        account = await self._ledger.quota(taxpayer, channel.name, month)
        self._valid_until[(taxpayer, channel.name)] = (month, account.valid_until)
        return True

    async def _standing(self, taxpayer: str, channel: Channel) -> bool:
        now = self._clock.now()
        known = self._standings.get(taxpayer)
        refused = known is not None and known.refusal is not None
        good_for = self._policy.refused_seconds if refused else self._policy.standing_seconds
        if known is not None and now < known.at + timedelta(seconds=good_for):
            return True
        answer = await self._ask(taxpayer, channel, "standing", partial(channel.standing, taxpayer))
        if answer.outcome is not Outcome.OK or answer.value is None:
            _say("standing.not_read", taxpayer, answer.code)
            return False
        refusal = None if answer.value.may_issue else answer.value.reason or "status"
        self._standings[taxpayer] = Standing(refusal, now)
        await self._ledger.save_standing(taxpayer, refusal, now)
        return True


def _nothing_planned(channel: str) -> float:
    return 0.0


def _say(what: str, taxpayer: str, code: str | None) -> None:
    log.warning(what, extra={"taxpayer": taxpayer, "code": code})
