"""Asks the bureau by our own numbers what it holds (R4, R6): a few at a time, their outcomes in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from kaipiao.authority.channel import Answer, Channel, Held, Outcome
from kaipiao.clock import Clock
from kaipiao.issuing import decisions
from kaipiao.issuing.calls import Calls
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.wire import unreached, upload_item
from kaipiao.ledger.port import Advance, InvoiceRecord, Ledger, SealedDocument

REMEMBERED = 10_000  # invoices whose failed asks are counted

_Heard = tuple[InvoiceRecord, Answer[Held | None], bytes]  # with the digest of our own content


class Asker:
    """Asks about UNKNOWN invoices of one taxpayer and channel at a time."""

    def __init__(self, ledger: Ledger, calls: Calls, clock: Clock, policy: Policy) -> None:
        self._ledger = ledger
        self._calls = calls
        self._clock = clock
        self._policy = policy
        self._failed: dict[tuple[str, int], int] = {}  # asks in a row, of each invoice; anew after a restart

    async def ask(self, taxpayer: str, channel: Channel, records: Sequence[InvoiceRecord]) -> int:
        """Returns about how many something was learnt. Ends early when asking on has no sense now: the far side cannot be
        reached, or the taxpayer is another node's."""
        learnt = 0
        for first in range(0, len(records), self._policy.asks_at_once):
            some = records[first : first + self._policy.asks_at_once]
            documents = await self._ledger.documents(taxpayer, [record.id for record in some])
            asked = await asyncio.gather(*(self._ask(taxpayer, channel, record, documents) for record in some))
            heard = [answer for answer in asked if answer is not None]
            if heard:
                await self._ledger.advance([self._advance(channel, *each) for each in heard])
            learnt += len(heard)
            if len(heard) < len(some):
                break
        return learnt

    async def _ask(
        self, taxpayer: str, channel: Channel, record: InvoiceRecord, documents: Mapping[int, SealedDocument]
    ) -> _Heard | None:
        """None when no byte of it left this machine."""
        digest = b""

        async def ask() -> Answer[Held | None]:
            nonlocal digest
            digest = channel.content_digest(upload_item(record, documents[record.id]))
            return await channel.ask(taxpayer, record.number or "", record.made_at, record.total, record.kind)

        answer = await self._calls.ask(taxpayer, channel.name, "ask", ask)
        return None if answer is None or unreached(answer) else (record, answer, digest)

    def _advance(self, channel: Channel, record: InvoiceRecord, answer: Answer[Held | None], digest: bytes) -> Advance:
        failures, now = self._count(record, answer.outcome), self._clock.now()
        return decisions.after_ask(record, answer, digest, channel.capabilities, self._policy, now, failures)

    def _count(self, record: InvoiceRecord, outcome: Outcome) -> int:
        """Asks about it that failed in a row."""
        key = (record.taxpayer, record.id)
        before = self._failed.pop(key, 0)
        if outcome is Outcome.OK:
            return 0
        if len(self._failed) >= REMEMBERED:
            del self._failed[next(iter(self._failed))]
        self._failed[key] = before + 1
        return before + 1
