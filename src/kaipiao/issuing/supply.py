"""Numbers and quota ahead of need (R7): pulled while the bureau answers, so that issuing never waits for it.

Each request is written down before it is sent; a lost answer is asked for again by the same serial, which the bureau
answers with the first result.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from functools import partial

from kaipiao.authority.channel import Channel, Outcome
from kaipiao.clock import Clock, month_of, year_of
from kaipiao.errors import BooksContradicted
from kaipiao.issuing import trail
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.wire import answer_of
from kaipiao.language import Text
from kaipiao.ledger.port import Ledger, QuotaRequest, SegmentRequest

log = logging.getLogger(__name__)


class Supply:
    """Keeps the stock of numbers and quota, and the taxpayer's standing, for each (taxpayer, channel)."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        paces: Mapping[str, Pace],
        pairs: list[tuple[str, str]],
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._paces = paces
        self._pairs = pairs
        self._clock = clock
        self._policy = policy
        self._refusals: dict[str, str] = {}
        self._valid_until: dict[tuple[str, str], tuple[str, datetime | None]] = {}
        self._standing_at: dict[str, datetime] = {}
        self._errands = Errands("supply", clock, policy)
        self._enough: set[tuple[str, str]] = set()
        self._failures: dict[tuple[str, str], int] = {}
        self._not_before: dict[tuple[str, str], datetime] = {}

    def quota_ended(self, taxpayer: str, channel: str, at: datetime) -> datetime | None:
        """Since when the quota of this month may not be used any more (business rule 4.8); None while it may."""
        month, until = self._valid_until.get((taxpayer, channel), ("", None))
        return until if until is not None and month == month_of(at) and at >= until else None

    def refuse_reason(self, taxpayer: str) -> str | None:
        """Why this taxpayer may not issue (business rule 4.7); None when it may, or when it was never told."""
        return self._refusals.get(taxpayer)

    async def round(self) -> bool:
        """Look at every pair once; True when all have what they need. A slow bureau is not waited for."""
        now = self._clock.now()
        for pair in self._pairs:
            if self._not_before.get(pair, now) <= now:
                self._errands.start(pair, partial(self._care, *pair))
        await self._errands.wait()
        return self._enough.issuperset(self._pairs)

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
            self._failures[pair] = self._failures.get(pair, 0) + 1
            wait = timedelta(seconds=self._policy.backoff(self._failures[pair]))
            self._not_before[pair] = self._clock.now() + wait
        return 1

    async def _numbers(self, taxpayer: str, channel: Channel) -> bool:
        now = self._clock.now()
        year = year_of(now)
        await self._expire(taxpayer, channel.name, year, now)
        counts = await self._ledger.number_counts(taxpayer, channel.name, year)
        per_hour, _ = await self._ledger.issued_since(taxpayer, now - timedelta(hours=1))
        size = self._policy.segment_size
        enough = max(size * self._policy.refill_below, per_hour * self._policy.refill_hours)
        if counts.free + counts.leased >= enough and counts.pulled:
            return True
        if not self._sure_of_year(now):
            return False
        wanted_now = max(size, int(per_hour * self._policy.stock_hours))
        quantity = min(wanted_now, channel.capabilities.segment_limit)
        wanted = SegmentRequest(taxpayer, channel.name, year, channel.serial(), quantity)
        request = await self._ledger.open_segment_request(wanted, now)
        await self._paces[channel.name].turn(taxpayer)
        call = channel.pull_numbers(taxpayer, request.quantity, request.serial)
        answer = await answer_of(call, channel.name, "numbers")
        if answer.outcome is not Outcome.OK or answer.value is None:
            self._say("numbers.not_pulled", taxpayer, answer.code, answer.retry_after, channel.name)
            return False
        segment = answer.value
        if segment.first[:2] != f"{year % 100:02d}":
            raise BooksContradicted(
                Text("税局下发的号段不属于本年", "The bureau gave numbers of another year"), first=segment.first
            )
        await self._ledger.fill_segment(taxpayer, request.serial, segment.first, segment.last, self._clock.now())
        return True

    def _sure_of_year(self, now: datetime) -> bool:
        guard = timedelta(seconds=self._policy.year_guard)
        return year_of(now - guard) == year_of(now + guard)

    async def _expire(self, taxpayer: str, channel: str, year: int, now: datetime) -> None:
        expired = await self._ledger.expire_numbers(taxpayer, channel, year)
        if expired:
            await self._ledger.append_events([trail.platform("numbers.expired", now, taxpayer, count=expired)])

    async def _quota(self, taxpayer: str, channel: Channel) -> bool:
        now = self._clock.now()
        month = month_of(now)
        account = await self._ledger.quota(taxpayer, channel.name, month)
        self._valid_until[(taxpayer, channel.name)] = (month, account.valid_until)
        _, per_hour = await self._ledger.issued_since(taxpayer, now - timedelta(hours=1))
        valid = account.valid_until is None or account.valid_until > now
        step = self._policy.quota_step
        enough = max(step * Decimal(str(self._policy.refill_below)), per_hour * Decimal(str(self._policy.refill_hours)))
        if account.left >= enough and valid:
            return True
        await self._paces[channel.name].turn(taxpayer)
        standing = await answer_of(channel.quota(taxpayer), channel.name, "quota")
        if standing.outcome is not Outcome.OK or standing.value is None:
            self._say("quota.not_read", taxpayer, standing.code, standing.retry_after, channel.name)
            return False
        if standing.value.month != month:  # around the turn of a month the two clocks may not agree on it
            self._say("quota.of_another_month", taxpayer, standing.value.month, None, channel.name)
            return False
        stock = (per_hour * Decimal(str(self._policy.stock_hours))).quantize(Decimal("0.01"))
        half = (standing.value.usable / 2).quantize(Decimal("0.01"), ROUND_DOWN)
        amount = min(max(step, min(stock, half)), standing.value.usable)  # others may issue for this taxpayer too
        if amount <= 0 or standing.value.paused:
            self._say("quota.none_left", taxpayer, "paused" if standing.value.paused else "used", None, channel.name)
            return account.left > 0
        return await self._download(taxpayer, channel, month, amount)

    async def _download(self, taxpayer: str, channel: Channel, month: str, amount: Decimal) -> bool:
        wanted = QuotaRequest(taxpayer, channel.name, month, channel.serial(), amount)
        request = await self._ledger.open_quota_request(wanted, self._clock.now())
        await self._paces[channel.name].turn(taxpayer)
        call = channel.move_quota(taxpayer, request.amount, request.serial, returning=False)
        answer = await answer_of(call, channel.name, "move_quota")
        if answer.outcome is not Outcome.OK or answer.value is None:
            self._say("quota.not_downloaded", taxpayer, answer.code, answer.retry_after, channel.name)
            return False
        grant = answer.value
        await self._ledger.fill_quota(
            taxpayer, request.serial, grant.amount, grant.valid_from, grant.valid_until, self._clock.now()
        )
        account = await self._ledger.quota(taxpayer, channel.name, month)
        self._valid_until[(taxpayer, channel.name)] = (month, account.valid_until)
        return True

    async def _standing(self, taxpayer: str, channel: Channel) -> bool:
        now = self._clock.now()
        seen = self._standing_at.get(taxpayer)
        refused = taxpayer in self._refusals
        good_for = self._policy.refused_seconds if refused else self._policy.standing_seconds
        if seen is not None and now < seen + timedelta(seconds=good_for):
            return True
        await self._paces[channel.name].turn(taxpayer)
        answer = await answer_of(channel.standing(taxpayer), channel.name, "standing")
        if answer.outcome is not Outcome.OK or answer.value is None:
            self._say("standing.not_read", taxpayer, answer.code, answer.retry_after, channel.name)
            return False
        self._standing_at[taxpayer] = now
        if answer.value.may_issue:
            self._refusals.pop(taxpayer, None)
        else:
            self._refusals[taxpayer] = answer.value.reason or "status"
        return True

    def _say(self, what: str, taxpayer: str, code: str | None, retry_after: float | None, channel: str) -> None:
        log.warning(what, extra={"taxpayer": taxpayer, "code": code})
        if retry_after:
            self._paces[channel].hold(taxpayer, retry_after)
