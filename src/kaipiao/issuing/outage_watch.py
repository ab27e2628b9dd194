"""Whoever watches for outages: takes in the trail, opens, counts, and closes them with a sealed report (R10).

Any node may do it, and one does: the first by name of those that are there. Who is mistaken about that does no harm: what two
derive at once the ledger takes from one only. Nothing is kept in memory between two rounds, so a restart goes on.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from kaipiao.authority.channel import Channel
from kaipiao.clock import Clock
from kaipiao.issuing import outage as story
from kaipiao.issuing import trail
from kaipiao.issuing.outage import Evidence, Outage
from kaipiao.issuing.outage_report import Sealing, canonical, facts_of, sealed_report
from kaipiao.issuing.outage_sums import list_digest, sums_by_taxpayer
from kaipiao.issuing.ports import Ids, Workers
from kaipiao.ledger.outages import OutageWatch
from kaipiao.ledger.port import Event, EventDraft, Ledger
from kaipiao.seal.digest import sm3

log = logging.getLogger(__name__)
PAGE = 500  # events that are taken in at a time
QUIET_PAGE = 100  # so many that say nothing are passed without a commit
RECENT = 10  # pieces of evidence kept of each channel
EVERYWHERE = ""  # evidence that names no channel
REST = 1.0  # real seconds between rounds
SHARE = 20  # a count may take one part in so many of the time


@dataclass(frozen=True, slots=True)
class OutagePolicy:
    """Seconds of the platform's clock. `flap`: a mode that falls again within so long after it came back is the same outage.
    `sample`: between two counts."""

    flap: float = 300.0
    sample: float = 60.0


@dataclass(slots=True)
class Derived:
    """What a round has changed so far."""

    open: dict[str, Outage]  # by channel
    recent: dict[str, list[Evidence]]
    changed: set[str] = field(default_factory=set)  # channels
    turned: set[str] = field(default_factory=set)  # of these: their mode has changed
    news: bool = False  # of evidence
    events: list[EventDraft] = field(default_factory=list)


class OutageKeeper:
    """Of one node."""

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        leads: Callable[[], bool],
        sealing: Sealing,
        workers: Workers,
        clock: Clock,
        ids: Ids,
        policy: OutagePolicy,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`leads`: whether this node is the one. `now`: real seconds that only go on."""
        self._ledger = ledger
        self._channels = channels
        self._leads = leads
        self._sealing = sealing
        self._workers = workers
        self._clock = clock
        self._ids = ids
        self._policy = policy
        self._now = now
        self._not_before = 0.0  # counting again, of real time

    async def round(self) -> float:
        """Take in what happened, then look after the open ones. Returns the real seconds until the next."""
        if not self._leads():
            return REST
        watch = await self._ledger.outage_watch()
        derived = Derived(await self._open(), _recent_of(watch.recent))
        page = await self._ledger.platform_events(after=watch.position, limit=PAGE)
        for event in page:
            self._take_in(derived, event)
        await self._look_after(derived)
        position = page[-1].position if page else watch.position
        if derived.changed or derived.news or len(page) >= QUIET_PAGE:
            await self._save(watch, position, derived)
        return 0.0 if len(page) == PAGE else REST

    async def _open(self) -> dict[str, Outage]:
        rows = await self._ledger.outages(open_only=True, limit=1000)
        return {row.channel: story.outage_of(row) for row in rows}

    def _take_in(self, derived: Derived, event: Event) -> None:
        if event.kind in story.EVIDENCE:
            self._remember(derived, event)
        elif event.kind == story.MODE_CHANGED and story.is_readable(event):
            self._change(derived, event)

    def _remember(self, derived: Derived, event: Event) -> None:
        channel, one = event.data.get("channel"), story.evidence_of(event)
        place = channel if isinstance(channel, str) else EVERYWHERE
        derived.recent[place] = [*derived.recent.get(place, []), one][-RECENT:]
        derived.news = True
        for name in [place] if place else list(derived.open):
            if name in derived.open:
                derived.open[name] = story.with_evidence(derived.open[name], one)
                derived.changed.add(name)

    def _change(self, derived: Derived, event: Event) -> None:
        channel = str(event.data["channel"])
        before = derived.open.get(channel)
        if before is not None:
            derived.open[channel] = story.goes_on(before, event)
        elif event.data["mode"] in story.AWAY:
            derived.open[channel] = self._begin(derived, event, channel)
        else:
            return
        derived.changed.add(channel)
        derived.turned.add(channel)

    def _begin(self, derived: Derived, event: Event, channel: str) -> Outage:
        known = sorted(
            derived.recent.get(EVERYWHERE, []) + derived.recent.get(channel, []), key=lambda one: one.position
        )
        since = event.at - timedelta(seconds=self._policy.flap)
        started = story.begins(
            self._ids.next(), event, tuple(o for o in known if datetime.fromisoformat(o.at) >= since)
        )
        cause = started.hypothesis.code if started.hypothesis else None
        derived.events.append(_event("outage.begun", event.at, started, cause=cause))
        log.error("an outage has begun", extra={"channel": channel, "outage": str(started.id), "code": cause})
        return started

    async def _look_after(self, derived: Derived) -> None:
        began = self._now()
        if began < self._not_before:
            return
        for channel, one in list(derived.open.items()):
            if channel in derived.turned or self._is_to_be_counted(one):
                derived.open[channel] = await self._after_count(one, derived.events)
                derived.changed.add(channel)
        self._not_before = self._now() + (self._now() - began) * SHARE

    def _is_to_be_counted(self, one: Outage) -> bool:
        """Often once it is back: when it is drained shall be known closely."""
        rest = self._policy.sample if one.back_at is None else self._policy.sample / 10
        return one.counted_at is None or self._clock.now() >= one.counted_at + timedelta(seconds=rest)

    async def _after_count(self, one: Outage, events: list[EventDraft]) -> Outage:
        now = self._clock.now()
        span = (one.begun_at, one.back_at or now)
        taxpayers = [t.taxpayer for t in await self._ledger.taxpayers() if one.channel in t.channels]
        channel = self._channels.get(one.channel)
        window = channel.capabilities.upload_window if channel else 48 * 3600.0
        sums = await sums_by_taxpayer(self._ledger, one.channel, taxpayers, *span, window, now)
        after = story.counted(one, sums, now)
        if after.back_at is None or after.drained_at is None:
            return after
        if now < after.back_at + timedelta(seconds=self._policy.flap):
            return after
        return await self._closed(after, taxpayers, events, now)

    async def _closed(self, one: Outage, taxpayers: list[str], events: list[EventDraft], now: datetime) -> Outage:
        digest = await list_digest(self._ledger, one.channel, taxpayers, one.begun_at, one.back_at or now)
        ended = replace(one, closed_at=now, list_digest=digest.hex())
        report = await self._workers.run(lambda: sealed_report(ended, self._sealing))
        events.append(_event("outage.ended", now, ended))
        events.append(_event("outage.reported", now, ended, digest=sm3(canonical(facts_of(ended))).hex()))
        log.warning("an outage has ended", extra={"channel": ended.channel, "outage": str(ended.id)})
        return replace(ended, report=report)

    async def _save(self, watch: OutageWatch, position: int, derived: Derived) -> None:
        recent = {name: [asdict(one) for one in some] for name, some in derived.recent.items()}
        after = OutageWatch(watch.revision + 1, position, json.dumps(recent, ensure_ascii=False, sort_keys=True))
        rows = [story.row_of(derived.open[channel]) for channel in sorted(derived.changed)]
        if not await self._ledger.save_outages(after, rows, derived.events):
            log.info("another node looks after the outages")


def _recent_of(text: str) -> dict[str, list[Evidence]]:
    return {name: [Evidence(**one) for one in some] for name, some in json.loads(text).items()}


def _event(kind: str, at: datetime, one: Outage, **data: str | None) -> EventDraft:
    return trail.platform(kind, at, outage=str(one.id), channel=one.channel, **data)
