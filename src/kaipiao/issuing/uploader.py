"""The uploader: claim, send, write down what became of it. It asks what a channel can do, never which one it is.

Only for taxpayers that this node holds. One wire call at a time per taxpayer and channel, several over all: a stuck one blocks no other. Retries of the wire live
here and nowhere else, always with the same frozen bytes under the same number.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from kaipiao.authority.channel import Answer, Channel, Outcome, Phase, Timeline, UploadItem
from kaipiao.clock import Clock
from kaipiao.errors import KaipiaoError, OutcomeUnknown
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import decisions
from kaipiao.issuing.breakers import Breakers, Call
from kaipiao.issuing.deadlines import upload_closes
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.ports import Ids
from kaipiao.issuing.problems import BREAKER_OPEN, DIED, LEASE_LOST, NEVER_BEGUN, NOTHING_TO_SEND, answered
from kaipiao.issuing.shards import Shards
from kaipiao.issuing.slots import Slots
from kaipiao.issuing.stragglers import straggled
from kaipiao.issuing.wire import answer_of, unreached, upload_item
from kaipiao.ledger.port import Advance, InvoiceRecord, Ledger, Upload, UploadEnd

log = logging.getLogger(__name__)


class Uploader:
    """Brings issued invoices to the bureau."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        paces: Mapping[str, Pace],
        shards: Shards,
        breakers: Breakers,
        clock: Clock,
        ids: Ids,
        node: str,
        policy: Policy,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._paces = paces
        self._shards = shards
        self._breakers = breakers
        self._clock = clock
        self._ids = ids
        self._node = node
        self._policy = policy
        self._slots = Slots(policy.uploads_at_once)
        self._held: dict[tuple[str, str], datetime] = {}
        self._failed: dict[tuple[str, str], int] = {}  # calls in a row that were not taken in
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
        """Another node's call may be under way; of a node that is gone, or after a time that no call lasts, the one that
        holds the taxpayer now ends it. If that node wakes up all the same, it finds its invoices changed: the same number
        is sent once more at the worst."""
        if upload.node == self._node:
            return True
        age = self._clock.now() - upload.begun_at
        abandoned = age >= timedelta(seconds=self._policy.abandoned_seconds)
        # One that is not among the nodes may also be of a program that did not know of leases yet, and be at work.
        gone = self._shards.is_gone(upload.node) and age >= timedelta(seconds=2 * self._policy.shard_seconds)
        return self._shards.holds(upload.taxpayer) and (abandoned or gone)

    async def _end_orphan(self, upload: Upload) -> int:
        answer: Answer[str] = answered(Outcome.AMBIGUOUS, DIED)
        if upload.id in self._unsent:
            answer = answered(Outcome.NOT_SENT, NEVER_BEGUN)
        # One that is in another state has its outcome: the sender woke while the calls and what was in them were read.
        records = [record for record in upload.records if record.state is State.UPLOADING]
        await self._end(upload, answer, self._decide(upload, records, answer))
        return len(records)

    async def round(self) -> int:
        """One upload for every taxpayer and channel that has something due and none under way. Returns how many invoices
        were sent by the calls that ended; a slow one goes on behind it."""
        if self._left_open:
            await self.recover()
        now = self._clock.now()
        pairs = await self._ledger.due_pairs(now)
        self._slots.rank(pairs)
        for pair in pairs:
            if self._may_begin(pair, now):
                self._calls.start(pair, partial(self._upload, *pair))
        return await self._calls.wait()

    def busy(self) -> set[str]:
        """The taxpayers with a call under way."""
        return self._calls.busy()

    def _may_begin(self, pair: tuple[str, str], now: datetime) -> bool:
        ours = self._shards.holds(pair[0]) and self._held.get(pair, now) <= now and self._calls.is_free(pair)
        return ours and self._breakers.may_call(pair[1])

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
        async with self._slots.place((taxpayer, channel_name)):
            place = self._breakers.enter(channel_name)
            if place is None:
                return 0
            number = self._ids.next()
            self._flying.add(number)
            try:
                return await self._begin_and_send(number, taxpayer, channel, place)
            except BaseException:
                self._left_open = True
                raise
            finally:
                self._flying.discard(number)

    async def _begin_and_send(self, number: int, taxpayer: str, channel: Channel, place: Call) -> int:
        if not self._shards.holds(taxpayer):
            return 0
        batch = 1 if (taxpayer, channel.name) in self._failed else channel.capabilities.upload_batch
        wire_id, now = f"{number:016x}", self._clock.now()
        try:
            upload = await self._ledger.begin_upload(number, wire_id, taxpayer, channel.name, self._node, batch, now)
        except OutcomeUnknown:
            self._unsent.add(number)
            raise
        return 0 if upload is None else await self._send(upload, channel, place)

    async def _send(self, upload: Upload, channel: Channel, place: Call) -> int:
        now = self._clock.now()
        pairs = list(zip(upload.records, upload.documents, strict=True))
        late = [r for r, _ in pairs if upload_closes(r.made_at, channel.capabilities) <= now]
        items = [upload_item(r, d) for r, d in pairs if r not in late and d is not None]
        answer: Answer[str] = answered(Outcome.NOT_SENT, NOTHING_TO_SEND)
        if items:
            answer = await self._call(upload, items, channel, place)
        in_time = [r for r, _ in pairs if r not in late]
        advances = self._decide(upload, in_time, answer)
        advances += [decisions.overdue(r, channel.capabilities, now) for r in late]
        await self._end(upload, answer, advances)
        if items:
            self._note_hold(upload, answer)
        return len(items)

    async def _call(self, upload: Upload, items: list[UploadItem], channel: Channel, place: Call) -> Answer[str]:
        if not place.still_may():  # R11: an upload is never what tries whether the far side is back
            return answered(Outcome.NOT_SENT, BREAKER_OPEN)
        if not self._shards.holds(upload.taxpayer):  # the claim took so long that another may be at work by now
            return answered(Outcome.NOT_SENT, LEASE_LOST)
        answer = await answer_of(channel.upload(upload.taxpayer, items, upload.wire_id), channel.name, "upload")
        place.heard(answer)
        return answer

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
        if self._clock.now() - upload.begun_at >= timedelta(seconds=self._policy.abandoned_seconds):
            advances = await self._as_they_stand(upload, answer, advances)  # others may have moved them on long ago
        held = await self._ledger.end_upload(end, advances)
        if not all(held):
            missed = [advance for advance, holds in zip(advances, held, strict=True) if not holds]
            await self._ledger.advance(await self._as_they_stand(upload, answer, missed))

    async def _as_they_stand(self, upload: Upload, answer: Answer[str], advances: list[Advance]) -> list[Advance]:
        """Of invoices that changed since they were claimed: what the answer means for them as they stand now."""
        claimed = {record.id: record for record in upload.records}
        numbers = [record.number for record in upload.records if record.number]
        now = {record.id: record for record in await self._ledger.find(upload.taxpayer, numbers=numbers)}
        seen = (self._seen(claimed[a.id], now.get(a.id), a, upload, answer) for a in advances)
        return [advance for advance in seen if advance is not None]

    def _seen(
        self, claimed: InvoiceRecord, now: InvoiceRecord | None, advance: Advance, upload: Upload, answer: Answer[str]
    ) -> Advance | None:
        if now is None or now.version == advance.version:
            return advance
        caps, moment = self._channels[upload.channel].capabilities, self._clock.now()
        if now.state is State.UPLOADING and now.tries == claimed.tries:  # still in this very call
            return decisions.after_upload(now, answer, len(upload.records), caps, self._policy, moment)
        return straggled(now, answer, caps, moment)

    def _note_hold(self, upload: Upload, answer: Answer[str]) -> None:
        """What was not taken in is tried with one invoice at a time, each time another, until one is taken in."""
        pair = (upload.taxpayer, upload.channel)
        if decisions.was_not_taken(answer):
            self._failed[pair] = failures = self._failed.get(pair, 0) + 1
            longest = self._policy.probe_seconds * (1 if unreached(answer) else 2)
            pause = min(self._policy.backoff(failures), longest)
            self._held[pair] = self._clock.now() + timedelta(seconds=max(pause, answer.retry_after or 0.0))
        else:
            self._failed.pop(pair, None)
        if answer.retry_after:
            self._paces[upload.channel].hold(upload.taxpayer, answer.retry_after)


def timeline_json(line: Timeline | None) -> str:
    """[[phase, start_ms, end_ms or null], …]"""
    spans = line.spans if line else ()
    return json.dumps([[s.phase.value, _ms(s.start), _ms(s.end)] for s in spans], separators=(",", ":"))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
