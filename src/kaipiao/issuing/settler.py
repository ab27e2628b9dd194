"""Polls and asks: everything that was sent comes to a believable end here (R4, R5, R6)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import partial

from kaipiao.authority.channel import Channel, ItemResult, Outcome
from kaipiao.clock import Clock
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import decisions, trail
from kaipiao.issuing.asker import Asker
from kaipiao.issuing.breakers import Breakers
from kaipiao.issuing.calls import Calls
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.shards import Shards
from kaipiao.issuing.wire import unreached
from kaipiao.ledger.changes import alarm_step
from kaipiao.ledger.port import Advance, InvoiceRecord, Ledger

log = logging.getLogger(__name__)

MANY = 2000


_Submission = tuple[str, str, str]  # taxpayer, channel, sllsh


class Settler:
    """Polls submissions, asks about UNKNOWN invoices, raises the alarms of R5 as events."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        paces: Mapping[str, Pace],
        shards: Shards,
        breakers: Breakers,
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._shards = shards
        self._breakers = breakers
        self._clock = clock
        self._policy = policy
        self._polls = Errands("poller", clock, policy)
        self._asks = Errands("asker", clock, policy)
        self._calls = Calls(paces, shards, breakers)
        self._asker = Asker(ledger, self._calls, clock, policy)

    async def close(self, grace: float) -> None:
        """Calls under way get `grace` real seconds. What is cut is polled or asked again at the next start."""
        await asyncio.gather(self._polls.close(grace), self._asks.close(grace))

    def busy(self) -> set[str]:
        """The taxpayers with a call under way."""
        return self._polls.busy() | self._asks.busy()

    async def poll_round(self) -> int:
        """Poll every submission that is due and not being polled. Returns how many invoices it touched; a slow poll
        goes on behind it."""
        groups: dict[_Submission, list[InvoiceRecord]] = defaultdict(list)
        for record in await self._due(State.SUBMITTED):
            groups[(record.taxpayer, record.channel, record.submission or "")].append(record)
        for key, records in self._whole(groups).items():
            if self._may_call(key[0], key[1]):
                self._polls.start(key, partial(self._poll, *key, records))
            elif self._shards.holds(key[0]):
                self._polls.start(key, partial(self._no_poll, key[1], records))
        return await self._polls.wait()

    async def _due(self, state: State) -> list[InvoiceRecord]:
        """Of the taxpayers that are ours, some of each."""
        most, each, ours = self._policy.settle_most, self._policy.settle_batch, self._shards.held()
        return await self._ledger.due(state, self._clock.now(), most, each=each, taxpayers=ours) if ours else []

    def _may_call(self, taxpayer: str, channel: str) -> bool:
        return self._shards.holds(taxpayer) and self._breakers.may_call(channel)

    def _whole(self, groups: dict[_Submission, list[InvoiceRecord]]) -> dict[_Submission, list[InvoiceRecord]]:
        """Without the last submission of a taxpayer that has more due than were read: a part of it may be missing, and
        its poll would be made twice."""
        counts: Counter[str] = Counter()
        last: dict[str, _Submission] = {}
        for key, records in groups.items():
            counts[key[0]] += len(records)
            last[key[0]] = key
        cut = {
            key for taxpayer, key in last.items() if self._policy.settle_batch <= counts[taxpayer] > len(groups[key])
        }
        return {key: records for key, records in groups.items() if key not in cut}

    async def _poll(self, taxpayer: str, channel_name: str, submission: str, records: list[InvoiceRecord]) -> int:
        channel = self._channels.get(channel_name)
        if channel is None:
            return await self._no_channel(channel_name, records)
        answer = await self._calls.ask(taxpayer, channel_name, "poll", partial(channel.poll, taxpayer, submission))
        if answer is None:
            return 0
        now = self._clock.now()
        if unreached(answer):  # nothing was learnt: they stay due until the far side is reached
            records = [r for r in records if decisions.result_is_overdue(r, channel.capabilities, now)]
        items: dict[str, ItemResult] = {}
        if answer.outcome is Outcome.OK and answer.value is not None:
            items = {item.number: item for item in answer.value}
        advances = [decisions.after_poll(r, items.get(r.number or ""), channel.capabilities, now) for r in records]
        if advances:
            await self._ledger.advance(advances)
        return len(records)

    async def _no_poll(self, channel_name: str, records: list[InvoiceRecord]) -> int:
        """Nobody can be asked now: what has waited for its result beyond its time is a doubt all the same."""
        now, channel = self._clock.now(), self._channels[channel_name]
        overdue = [r for r in records if decisions.result_is_overdue(r, channel.capabilities, now)]
        if overdue:
            await self._ledger.advance([decisions.after_poll(r, None, channel.capabilities, now) for r in overdue])
        return len(overdue)

    async def ask_round(self) -> int:
        """Ask about every UNKNOWN invoice whose time has come, a few at a time per taxpayer. Returns how many; a slow ask
        goes on behind it."""
        by_taxpayer: dict[tuple[str, str], list[InvoiceRecord]] = defaultdict(list)
        for record in await self._due(State.UNKNOWN):
            by_taxpayer[(record.taxpayer, record.channel)].append(record)
        for key, records in by_taxpayer.items():
            if self._asks.is_free(key) and self._may_call(*key):
                self._asks.start(key, partial(self._ask_in_turn, *key, records))
        return await self._asks.wait()

    async def _ask_in_turn(self, taxpayer: str, channel_name: str, records: list[InvoiceRecord]) -> int:
        channel = self._channels.get(channel_name)
        if channel is None:
            return await self._no_channel(channel_name, records)
        return await self._asker.ask(taxpayer, channel, records)

    async def _no_channel(self, name: str, records: list[InvoiceRecord]) -> int:
        """Put them off, so that they do not stand before those of other channels."""
        log.error("no channel of this name is configured", extra={"channel": name, "taxpayer": records[0].taxpayer})
        now = self._clock.now()
        await self._ledger.advance([decisions.no_channel(record, self._policy, now) for record in records])
        return 0

    async def alarm_round(self) -> int:
        """R5: an UNKNOWN invoice that has used 50 % or 80 % of its time is an alarm in the trail."""
        now = self._clock.now()
        records = [r for r in await self._ledger.alarming(now, MANY) if self._shards.holds(r.taxpayer)]
        if records:
            await self._ledger.advance([self._alarm(record, now) for record in records])
        return len(records)

    def _alarm(self, record: InvoiceRecord, now: datetime) -> Advance:
        percent = alarm_step(record, now)
        event = trail.alarm(record, percent, now)
        return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN, {"alarmed": percent}, event)
