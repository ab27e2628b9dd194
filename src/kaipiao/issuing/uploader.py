"""The uploader: claim, send, write down what became of it. It asks what a channel can do, never which one it is.

One wire call at a time per taxpayer and channel, several over all: a stuck one blocks no other. Retries of the wire live
here and nowhere else, always with the same frozen bytes under the same number.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from kaipiao.authority.channel import Answer, Channel, Outcome, Phase, Timeline, UploadItem
from kaipiao.clock import Clock
from kaipiao.issuing import decisions
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.ports import Ids
from kaipiao.ledger.port import Advance, InvoiceRecord, Ledger, SealedDocument, Upload, UploadEnd

log = logging.getLogger(__name__)


class Uploader:
    """Brings issued invoices to the bureau."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        paces: Mapping[str, Pace],
        clock: Clock,
        ids: Ids,
        node: str,
        policy: Policy,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._paces = paces
        self._clock = clock
        self._ids = ids
        self._node = node
        self._policy = policy
        self._slots = asyncio.Semaphore(policy.uploads_at_once)
        self._held: dict[tuple[str, str], datetime] = {}
        self._flying: set[int] = set()

    async def recover(self) -> int:
        """Calls that were left without an outcome, by this node's dead predecessor or because the ledger could not take
        the outcome: sent without an answer, so UNKNOWN (R4). Returns how many invoices."""
        count = 0
        for upload in await self._ledger.open_uploads(self._node):
            if upload.id in self._flying:
                continue
            died: Answer[str] = Answer(Outcome.AMBIGUOUS, code="process.died")
            await self._end(upload, died, self._decide(upload, list(upload.records), died))
            count += len(upload.records)
        return count

    async def round(self) -> int:
        """One upload for every taxpayer and channel that has something due. Returns how many invoices were sent."""
        now = self._clock.now()
        pairs = [p for p in await self._ledger.due_pairs(now) if self._held.get(p, now) <= now]
        sent = await asyncio.gather(*(self._guarded(*pair) for pair in pairs))
        return sum(sent)

    async def _guarded(self, taxpayer: str, channel: str) -> int:
        async with self._slots:
            return await self._upload(taxpayer, channel)

    async def _upload(self, taxpayer: str, channel_name: str) -> int:
        channel = self._channels.get(channel_name)
        if channel is None:
            log.error("no channel of this name is configured", extra={"channel": channel_name})
            self._held[(taxpayer, channel_name)] = self._clock.now() + timedelta(seconds=self._policy.backoff_most)
            return 0
        await self._paces[channel_name].turn(taxpayer)
        number = self._ids.next()
        upload = await self._ledger.begin_upload(
            number,
            f"{number:016x}",
            taxpayer,
            channel_name,
            self._node,
            channel.capabilities.upload_batch,
            self._clock.now(),
        )
        if upload is None:
            return 0
        self._flying.add(upload.id)
        try:
            return await self._send(upload, channel)
        finally:
            self._flying.discard(upload.id)

    async def _send(self, upload: Upload, channel: Channel) -> int:
        now = self._clock.now()
        pairs = list(zip(upload.records, upload.documents, strict=True))
        late = [r for r, _ in pairs if r.deadline is not None and r.deadline <= now]
        items = [_item(r, d) for r, d in pairs if r not in late and d is not None]
        answer: Answer[str] = Answer(Outcome.NOT_SENT, code="upload.nothing_to_send")
        if items:
            answer = await channel.upload(upload.taxpayer, items, upload.wire_id)
        in_time = [r for r, _ in pairs if r not in late]
        advances = self._decide(upload, in_time, answer)
        advances += [decisions.overdue(r, channel.capabilities, now) for r in late]
        await self._end(upload, answer, advances)
        self._note_hold(upload, answer)
        return len(items)

    def _decide(self, upload: Upload, records: list[InvoiceRecord], answer: Answer[str]) -> list[Advance]:
        capabilities = self._channels[upload.channel].capabilities
        now = self._clock.now()
        together = len(records)
        return [decisions.after_upload(r, answer, together, capabilities, self._policy, now) for r in records]

    async def _end(self, upload: Upload, answer: Answer[str], advances: list[Advance]) -> None:
        line = answer.timeline
        end = UploadEnd(
            id=upload.id,
            taxpayer=upload.taxpayer,
            ended_at=self._clock.now(),
            phase=(line.reached if line else Phase.WAIT).value,
            bytes_sent=line.bytes_sent if line else 0,
            outcome=answer.outcome.value,
            cause=answer.code,
            submission=answer.value,
            timeline=timeline_json(line),
            attempts={a.id: answer.outcome.value for a in advances},
        )
        await self._ledger.end_upload(end, advances)

    def _note_hold(self, upload: Upload, answer: Answer[str]) -> None:
        if answer.outcome in decisions.SURELY_NOT_HELD:
            tries = max(r.tries for r in upload.records)
            wait = decisions.backoff(tries, self._policy, answer.retry_after)
            self._held[(upload.taxpayer, upload.channel)] = self._clock.now() + wait
            self._paces[upload.channel].hold(upload.taxpayer, answer.retry_after or 0.0)


def _item(record: InvoiceRecord, document: SealedDocument) -> UploadItem:
    return UploadItem(
        number=record.number or "",
        made_at=record.made_at,
        invoice=document.invoice,
        xml=document.xml,
        seal=document.seal,
        key_id=document.key_id,
    )


def timeline_json(line: Timeline | None) -> str:
    """[[phase, start_ms, end_ms or null], …]"""
    spans = line.spans if line else ()
    return json.dumps([[s.phase.value, _ms(s.start), _ms(s.end)] for s in spans], separators=(",", ":"))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
