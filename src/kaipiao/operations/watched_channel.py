"""A channel that tells of every call what became of it: in the metrics, and in a log line without content."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from time import perf_counter
from typing import TypeVar

from kaipiao.authority.channel import (
    Answer,
    Channel,
    FarTime,
    Held,
    ItemResult,
    ListPacket,
    MonthSummary,
    MonthTotals,
    QuotaGrant,
    QuotaStanding,
    Segment,
    TaxpayerStanding,
    UploadItem,
)
from kaipiao.operations.metrics import Metrics

log = logging.getLogger("kaipiao.wire")
T = TypeVar("T")
Hear = Callable[[str, FarTime | None], None]
RAISED = "raised"  # the call was cut off, or the channel has a defect: there is no answer
LONGEST_CODE = 40  # characters: a code is the far side's own


class WatchedChannel:
    """See `Channel`. Changes nothing of what goes in or comes out."""

    def __init__(self, channel: Channel, metrics: Metrics, hear: Hear | None = None) -> None:
        """`hear`: is given the bureau's time that an answer brought along."""
        self.name = channel.name
        self.capabilities = channel.capabilities
        self._channel = channel
        self._metrics = metrics
        self._hear = hear

    async def pull_numbers(self, taxpayer: str, quantity: int, serial: str) -> Answer[Segment]:
        return await self._watch("numbers", taxpayer, self._channel.pull_numbers(taxpayer, quantity, serial))

    async def quota(self, taxpayer: str) -> Answer[QuotaStanding]:
        return await self._watch("quota", taxpayer, self._channel.quota(taxpayer))

    async def move_quota(self, taxpayer: str, amount: Decimal, serial: str, *, returning: bool) -> Answer[QuotaGrant]:
        call = self._channel.move_quota(taxpayer, amount, serial, returning=returning)
        return await self._watch("move_quota", taxpayer, call)

    async def upload(self, taxpayer: str, items: Sequence[UploadItem], wire_id: str) -> Answer[str]:
        answer = await self._watch("upload", taxpayer, self._channel.upload(taxpayer, items, wire_id))
        self._metrics.uploaded(self.name, answer.outcome.value, len(items))
        return answer

    async def poll(self, taxpayer: str, submission: str) -> Answer[list[ItemResult]]:
        return await self._watch("poll", taxpayer, self._channel.poll(taxpayer, submission))

    async def ask(
        self, taxpayer: str, number: str, made_at: datetime, total: Decimal, kind: str
    ) -> Answer[Held | None]:
        return await self._watch("ask", taxpayer, self._channel.ask(taxpayer, number, made_at, total, kind))

    def content_digest(self, item: UploadItem) -> bytes:
        return self._channel.content_digest(item)

    async def summary(self, taxpayer: str, month: str) -> Answer[MonthSummary]:
        return await self._watch("summary", taxpayer, self._channel.summary(taxpayer, month))

    async def confirm_month(self, taxpayer: str, month: str, totals: MonthTotals) -> Answer[None]:
        return await self._watch("confirm_month", taxpayer, self._channel.confirm_month(taxpayer, month, totals))

    async def unconfirm_month(self, taxpayer: str, month: str) -> Answer[None]:
        return await self._watch("unconfirm_month", taxpayer, self._channel.unconfirm_month(taxpayer, month))

    async def apply_list(self, taxpayer: str, month: str, kind: str) -> Answer[str]:
        return await self._watch("apply_list", taxpayer, self._channel.apply_list(taxpayer, month, kind))

    async def list_packet(self, taxpayer: str, ticket: str, packet: int) -> Answer[ListPacket]:
        return await self._watch("list_packet", taxpayer, self._channel.list_packet(taxpayer, ticket, packet))

    async def standing(self, taxpayer: str) -> Answer[TaxpayerStanding]:
        return await self._watch("standing", taxpayer, self._channel.standing(taxpayer))

    async def rates(self, taxpayer: str) -> Answer[list[Decimal]]:
        return await self._watch("rates", taxpayer, self._channel.rates(taxpayer))

    async def health(self) -> Answer[None]:
        return await self.probed(self._channel.health())

    async def probed(self, call: Awaitable[Answer[None]]) -> Answer[None]:
        """A health call of one endpoint."""
        return await self._watch("health", None, call)

    def serial(self) -> str:
        return self._channel.serial()

    async def close(self) -> None:
        await self._channel.close()

    async def _watch(self, service: str, taxpayer: str | None, call: Awaitable[Answer[T]]) -> Answer[T]:
        began = perf_counter()
        outcome, answer = RAISED, None
        try:
            answer = await call
            outcome = answer.outcome.value
            return answer
        finally:
            seconds = perf_counter() - began
            self._metrics.call_ended(self.name, service, outcome, seconds, answer.timeline if answer else None)
            self._say(service, taxpayer, outcome, answer, seconds)
            if self._hear is not None and answer is not None and answer.timeline is not None:
                self._hear(self.name, answer.timeline.far_time)

    def _say(self, service: str, taxpayer: str | None, outcome: str, answer: Answer[T] | None, seconds: float) -> None:
        line = answer.timeline if answer else None
        told = {
            "channel": self.name,
            "service": service,
            "taxpayer": taxpayer,
            "outcome": outcome,
            "code": (answer.code or "")[:LONGEST_CODE] or None if answer else None,
            "phase": line.reached.value if line else None,
            "ms": round(seconds * 1000, 3),
            "bytes": line.bytes_sent if line else None,
            "reused": line.reused if line else None,
        }
        log.info("wire call", extra=told)
