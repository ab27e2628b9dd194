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
from functools import partial

from kaipiao.authority.channel import Answer, Channel, Outcome, Phase, Timeline
from kaipiao.clock import Clock
from kaipiao.errors import KaipiaoError, OutcomeUnknown
from kaipiao.issuing import decisions
from kaipiao.issuing.deadlines import upload_closes
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.ports import Ids
from kaipiao.issuing.wire import answer_of, upload_item
from kaipiao.ledger.port import Advance, InvoiceRecord, Ledger, Upload, UploadEnd

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
        self._calls = Errands("uploader", clock, policy)
        self._flying: set[int] = set()
        self._unsent: set[int] = set()  # begun as far as the ledger knows, and surely never sent
        self._left_open = False

    async def recover(self) -> int:
        """Calls that were left without an outcome, by this node's dead predecessor, by a node that is gone, or because the
        ledger could not take the outcome: sent without an answer, so UNKNOWN (R4). Returns how many invoices. One that
        cannot be ended now keeps no other waiting."""
        count, left_open = 0, False
        flying = set(self._flying)  # one that ends while the ledger is read has its outcome already
        for upload in await self._ledger.open_uploads():
            if upload.id in flying | self._flying or not self._is_ours_to_end(upload):
                continue
            if upload.channel not in self._channels:
                self._no_channel(upload.taxpayer, upload.channel)
                continue
            try:
                count += await self._end_orphan(upload)
            except KaipiaoError as error:
                log.error(
                    "a call left open could not be ended", extra={"taxpayer": upload.taxpayer, "code": error.code}
                )
                left_open = True
        self._left_open = left_open
        if not left_open:
            self._unsent.clear()
        return count

    def _is_ours_to_end(self, upload: Upload) -> bool:
        """Another node's call may be under way; after a time that no call lasts, that node is gone. If it wakes up all the
        same, it finds its invoices changed: the same number is sent once more at the worst."""
        gone = timedelta(seconds=self._policy.abandoned_seconds)
        return upload.node == self._node or upload.begun_at + gone <= self._clock.now()

    async def _end_orphan(self, upload: Upload) -> int:
        answer: Answer[str] = Answer(Outcome.AMBIGUOUS, code="process.died")
        if upload.id in self._unsent:
            answer = Answer(Outcome.NOT_SENT, code="upload.never_begun")
        await self._end(upload, answer, self._decide(upload, list(upload.records), answer))
        return len(upload.records)

    async def round(self) -> int:
        """One upload for every taxpayer and channel that has something due and none under way. Returns how many invoices
        were sent by the calls that ended; a slow one goes on behind it."""
        if self._left_open:
            await self.recover()
        now = self._clock.now()
        for pair in await self._ledger.due_pairs(now):
            if self._held.get(pair, now) <= now:
                self._calls.start(pair, partial(self._upload, *pair))
        return await self._calls.wait()

    async def close(self, grace: float) -> None:
        """Calls under way get `grace` real seconds; one that is cut is UNKNOWN at the next start."""
        await self._calls.close(grace)

    def _no_channel(self, taxpayer: str, channel: str) -> None:
        now = self._clock.now()
        if self._held.get((taxpayer, channel), now) <= now:
            log.error("no channel of this name is configured", extra={"channel": channel, "taxpayer": taxpayer})
            self._held[(taxpayer, channel)] = now + timedelta(seconds=self._policy.backoff_most)

    async def _upload(self, taxpayer: str, channel_name: str) -> int:
        channel = self._channels.get(channel_name)
        if channel is None:
            self._no_channel(taxpayer, channel_name)
            return 0
        await self._paces[channel_name].turn(taxpayer)  # before a slot is taken: a long wait is nobody else's
        async with self._slots:
            number = self._ids.next()
            self._flying.add(number)
            try:
                return await self._begin_and_send(number, taxpayer, channel)
            except BaseException:
                self._left_open = True
                raise
            finally:
                self._flying.discard(number)

    async def _begin_and_send(self, number: int, taxpayer: str, channel: Channel) -> int:
        batch, wire_id, now = channel.capabilities.upload_batch, f"{number:016x}", self._clock.now()
        try:
            upload = await self._ledger.begin_upload(number, wire_id, taxpayer, channel.name, self._node, batch, now)
        except OutcomeUnknown:
            self._unsent.add(number)
            raise
        return 0 if upload is None else await self._send(upload, channel)

    async def _send(self, upload: Upload, channel: Channel) -> int:
        now = self._clock.now()
        pairs = list(zip(upload.records, upload.documents, strict=True))
        late = [r for r, _ in pairs if upload_closes(r.made_at, channel.capabilities) <= now]
        items = [upload_item(r, d) for r, d in pairs if r not in late and d is not None]
        answer: Answer[str] = Answer(Outcome.NOT_SENT, code="upload.nothing_to_send")
        if items:
            call = channel.upload(upload.taxpayer, items, upload.wire_id)
            answer = await answer_of(call, channel.name, "upload")
        in_time = [r for r, _ in pairs if r not in late]
        advances = self._decide(upload, in_time, answer)
        advances += [decisions.overdue(r, channel.capabilities, now) for r in late]
        await self._end(upload, answer, advances)
        if items:
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
        if answer.retry_after:
            self._paces[upload.channel].hold(upload.taxpayer, answer.retry_after)


def timeline_json(line: Timeline | None) -> str:
    """[[phase, start_ms, end_ms or null], …]"""
    spans = line.spans if line else ()
    return json.dumps([[s.phase.value, _ms(s.start), _ms(s.end)] for s in spans], separators=(",", ":"))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
