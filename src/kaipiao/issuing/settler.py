"""Polls and asks: everything that was sent comes to a believable end here (R4, R5, R6)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from kaipiao.authority.channel import Channel, ItemResult, Outcome, UploadItem
from kaipiao.clock import Clock
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import decisions, trail
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.port import Advance, InvoiceRecord, Ledger

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

    async def poll_round(self) -> int:
        """Poll every submission that is due. Returns how many invoices it touched."""
        due = await self._ledger.due(State.SUBMITTED, self._clock.now(), MANY)
        groups: dict[tuple[str, str, str], list[InvoiceRecord]] = defaultdict(list)
        for record in due:
            groups[(record.taxpayer, record.channel, record.submission or "")].append(record)
        await asyncio.gather(*(self._poll(*key, records) for key, records in groups.items()))
        return len(due)

    async def _poll(self, taxpayer: str, channel_name: str, submission: str, records: list[InvoiceRecord]) -> None:
        channel = self._channels[channel_name]
        await self._paces[channel_name].turn(taxpayer)
        answer = await channel.poll(taxpayer, submission)
        self._hold(channel_name, taxpayer, answer.retry_after)
        items: dict[str, ItemResult] = {}
        if answer.outcome is Outcome.OK and answer.value is not None:
            items = {item.number: item for item in answer.value}
        now = self._clock.now()
        advances = [decisions.after_poll(r, items.get(r.number or ""), channel.capabilities, now) for r in records]
        await self._ledger.advance(advances)

    async def ask_round(self) -> int:
        """Ask about every UNKNOWN invoice whose time has come. Returns how many."""
        due = await self._ledger.due(State.UNKNOWN, self._clock.now(), MANY)
        by_taxpayer: dict[tuple[str, str], list[InvoiceRecord]] = defaultdict(list)
        for record in due:
            by_taxpayer[(record.taxpayer, record.channel)].append(record)
        await asyncio.gather(*(self._ask_in_turn(*key, records) for key, records in by_taxpayer.items()))
        return len(due)

    async def _ask_in_turn(self, taxpayer: str, channel_name: str, records: list[InvoiceRecord]) -> None:
        for record in records:
            await self._ask(taxpayer, self._channels[channel_name], record)

    async def _ask(self, taxpayer: str, channel: Channel, record: InvoiceRecord) -> None:
        digest = await self._our_digest(channel, record)
        await self._paces[channel.name].turn(taxpayer)
        answer = await channel.ask(taxpayer, record.number or "", record.made_at, record.total, record.kind)
        self._hold(channel.name, taxpayer, answer.retry_after)
        now = self._clock.now()
        advance = decisions.after_ask(record, answer, digest, channel.capabilities, self._policy, now)
        await self._ledger.advance([advance])

    async def _our_digest(self, channel: Channel, record: InvoiceRecord) -> bytes:
        document = (await self._ledger.documents(record.taxpayer, [record.id]))[record.id]
        return channel.content_digest(
            UploadItem(
                number=record.number or "",
                made_at=record.made_at,
                invoice=document.invoice,
                xml=document.xml,
                seal=document.seal,
                key_id=document.key_id,
            )
        )

    def _hold(self, channel: str, taxpayer: str, retry_after: float | None) -> None:
        if retry_after:
            self._paces[channel].hold(taxpayer, retry_after)

    async def alarm_round(self) -> int:
        """R5: an UNKNOWN invoice that has used 50 % or 80 % of its time is an alarm in the trail."""
        now = self._clock.now()
        records = await self._ledger.alarming(now, MANY)
        await self._ledger.advance([self._alarm(record, now) for record in records])
        return len(records)

    def _alarm(self, record: InvoiceRecord, now: datetime) -> Advance:
        percent = 80 if used_share(record, now) >= 0.8 else 50
        event = trail.alarm(record, percent, now)
        return Advance(record.taxpayer, record.id, record.version, State.UNKNOWN, {"alarmed": percent}, event)


def used_share(record: InvoiceRecord, now: datetime) -> float:
    """How much of the time from unknown_since to the deadline is used, 0 … 1 and beyond."""
    if record.unknown_since is None or record.deadline is None:
        return 0.0
    whole = record.deadline - record.unknown_since
    if whole <= timedelta(0):
        return 1.0
    return (now - record.unknown_since) / whole
