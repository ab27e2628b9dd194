"""One question to the bureau by an invoice's own number, for a person or a tool that must know before it acts.

The loops ask for themselves (`asker.py`). This one is asked on whichever node the person's request came to, in its turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kaipiao.authority.channel import Answer, Capabilities, Channel, Held, Outcome
from kaipiao.clock import Clock
from kaipiao.errors import NotFound
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.wire import answer_of, upload_item
from kaipiao.ledger.port import InvoiceRecord, Ledger


@dataclass(frozen=True, slots=True)
class Asked:
    """`held`: what the bureau holds under the number; `ours`: the digest of our own content."""

    at: datetime
    held: Held | None
    ours: bytes
    silent: str | None  # the cause when there was no answer that says it

    @property
    def same(self) -> bool:
        """It holds our very content."""
        return self.held is not None and self.held.content_digest == self.ours


class Questions:
    """`paces`: of each channel, by name."""

    def __init__(self, channels: Mapping[str, Channel], paces: Mapping[str, Pace], clock: Clock) -> None:
        self._channels = channels
        self._paces = paces
        self._clock = clock

    def capabilities(self, record: InvoiceRecord) -> Capabilities:
        """Raises `NotFound` when its channel is not configured any more."""
        return self._channel(record).capabilities

    async def ask(self, ledger: Ledger, record: InvoiceRecord) -> Asked:
        """Of an invoice that has its number. Raises `NotFound` as `capabilities`."""
        channel = self._channel(record)
        documents = await ledger.documents(record.taxpayer, [record.id])
        if record.id not in documents or record.number is None:
            raise NotFound()
        ours = channel.content_digest(upload_item(record, documents[record.id]))
        await self._paces[channel.name].turn(record.taxpayer)
        call = channel.ask(record.taxpayer, record.number, record.made_at, record.total, record.kind)
        answer: Answer[Held | None] = await answer_of(call, channel.name, "ask")
        if answer.retry_after:
            self._paces[channel.name].hold(record.taxpayer, answer.retry_after)
        silent = None if answer.outcome is Outcome.OK else answer.code or answer.outcome.value
        return Asked(self._clock.now(), answer.value, ours, silent)

    def _channel(self, record: InvoiceRecord) -> Channel:
        channel = self._channels.get(record.channel)
        if channel is None:
            raise NotFound(code="KP-FIND-01", channel=record.channel)
        return channel
