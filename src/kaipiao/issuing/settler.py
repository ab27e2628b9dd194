"""Polls and asks: everything that was sent comes to a believable end here (R4, R5, R6)."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import partial

from kaipiao.authority.channel import Answer, Channel, Held, ItemResult, Outcome
from kaipiao.clock import Clock
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import decisions, trail
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.wire import answer_of, upload_item
from kaipiao.ledger.changes import alarm_step
from kaipiao.ledger.port import Advance, InvoiceRecord, Ledger

log = logging.getLogger(__name__)

MANY = 2000


class Settler:
    """Polls submissions, asks about UNKNOWN invoices, raises the alarms of R5 as events."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        paces: Mapping[str, Pace],
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._paces = paces
        self._clock = clock
        self._policy = policy
        self._polls = Errands("poller", clock, policy)
        self._asks = Errands("asker", clock, policy)

    async def close(self, grace: float) -> None:
        """Calls under way get `grace` real seconds. What is cut is polled or asked again at the next start."""
        await asyncio.gather(self._polls.close(grace), self._asks.close(grace))

    async def poll_round(self) -> int:
        """Poll every submission that is due and not being polled. Returns how many invoices it touched; a slow poll
        goes on behind it."""
        due = await self._ledger.due(State.SUBMITTED, self._clock.now(), MANY)
        groups: dict[tuple[str, str, str], list[InvoiceRecord]] = defaultdict(list)
        for record in due:
            groups[(record.taxpayer, record.channel, record.submission or "")].append(record)
        for key, records in groups.items():
            self._polls.start(key, partial(self._poll, *key, records))
        return await self._polls.wait()

    async def _poll(self, taxpayer: str, channel_name: str, submission: str, records: list[InvoiceRecord]) -> int:
        channel = self._channels.get(channel_name)
        if channel is None:
            return await self._no_channel(channel_name, records)
        await self._paces[channel_name].turn(taxpayer)
        answer = await answer_of(channel.poll(taxpayer, submission), channel_name, "poll")
        self._hold(channel_name, taxpayer, answer.retry_after)
        items: dict[str, ItemResult] = {}
        if answer.outcome is Outcome.OK and answer.value is not None:
            items = {item.number: item for item in answer.value}
        now = self._clock.now()
        advances = [decisions.after_poll(r, items.get(r.number or ""), channel.capabilities, now) for r in records]
        await self._ledger.advance(advances)
        return len(records)

    async def ask_round(self) -> int:
        """Ask about every UNKNOWN invoice whose time has come, one at a time per taxpayer. Returns how many; a slow ask
        goes on behind it."""
        due = await self._ledger.due(State.UNKNOWN, self._clock.now(), MANY)
        by_taxpayer: dict[tuple[str, str], list[InvoiceRecord]] = defaultdict(list)
        for record in due:
            by_taxpayer[(record.taxpayer, record.channel)].append(record)
        for key, records in by_taxpayer.items():
            self._asks.start(key, partial(self._ask_in_turn, *key, records))
        return await self._asks.wait()

    async def _ask_in_turn(self, taxpayer: str, channel_name: str, records: list[InvoiceRecord]) -> int:
        channel = self._channels.get(channel_name)
        if channel is None:
            return await self._no_channel(channel_name, records)
        for record in records:
            await self._ask(taxpayer, channel, record)
        return len(records)

    async def _no_channel(self, name: str, records: list[InvoiceRecord]) -> int:
        """Put them off, so that they do not stand before those of other channels."""
        log.error("no channel of this name is configured", extra={"channel": name, "taxpayer": records[0].taxpayer})
        now = self._clock.now()
        await self._ledger.advance([decisions.no_channel(record, self._policy, now) for record in records])
        return 0

    async def _ask(self, taxpayer: str, channel: Channel, record: InvoiceRecord) -> None:
        documents = await self._ledger.documents(record.taxpayer, [record.id])
        await self._paces[channel.name].turn(taxpayer)
        digest = b""

        async def ask() -> Answer[Held | None]:
            nonlocal digest
            digest = channel.content_digest(upload_item(record, documents[record.id]))
            return await channel.ask(taxpayer, record.number or "", record.made_at, record.total, record.kind)

        answer = await answer_of(ask(), channel.name, "ask")
        self._hold(channel.name, taxpayer, answer.retry_after)
        now = self._clock.now()
        advance = decisions.after_ask(record, answer, digest, channel.capabilities, self._policy, now)
        await self._ledger.advance([advance])

    def _hold(self, channel: str, taxpayer: str, retry_after: float | None) -> None:
        if retry_after:
            self._paces[channel].hold(taxpayer, retry_after)

    async def alarm_round(self) -> int:
        """R5: an UNKNOWN invoice that has used 50 % or 80 % of its time is an alarm in the trail."""
        now = self._clock.now()
        records = await self._ledger.alarming(now, MANY)
        if records:
            await self._ledger.advance([self._alarm(record, now) for record in records])
        return len(records)

    def _alarm(self, record: InvoiceRecord, now: datetime) -> Advance:
        percent = alarm_step(record, now)
        event = trail.alarm(record, percent, now)
        return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN, {"alarmed": percent}, event)
