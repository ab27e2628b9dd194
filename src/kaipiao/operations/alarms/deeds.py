"""What people do about alarms: acknowledge, silence for a time, end a silence. Each is an event of the trail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from kaipiao.clock import Clock
from kaipiao.errors import FieldsRefused, LedgerBusy, NotFound
from kaipiao.issuing import trail
from kaipiao.language import Text
from kaipiao.ledger.alarms import Alarm, AlarmChange, AlarmDesk, Silence
from kaipiao.ledger.port import EventDraft, Ledger
from kaipiao.operations.alarms.sorts import Sort

LONGEST_SILENCE = timedelta(days=31)
TRIES = 20  # somebody else changed the desk at the same moment
T = TypeVar("T", Alarm, Silence)


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose alarms somebody may see and answer. `taxpayers` None: all, and the platform's own."""

    taxpayers: tuple[str, ...] | None

    def holds(self, taxpayer: str | None) -> bool:
        return self.taxpayers is None or taxpayer in self.taxpayers


class AlarmDeeds:
    """`sorts`: what can be silenced."""

    def __init__(self, ledger: Ledger, clock: Clock, sorts: dict[str, Sort]) -> None:
        self._ledger, self._clock, self.sorts = ledger, clock, sorts

    async def page(self, reach: Reach, *, open_only: bool, after: int, limit: int) -> list[Alarm]:
        return await self._ledger.alarms(taxpayers=reach.taxpayers, open_only=open_only, after=after, limit=limit)

    async def find(self, reach: Reach, identity: int) -> Alarm:
        """Raises `NotFound`, also for one that is out of reach."""
        found = await self._ledger.alarm(identity)
        if found is None or not reach.holds(found.taxpayer):
            raise NotFound(Text("没有这个告警", "There is no such alarm"), code="KP-FIND-06")
        return found

    async def acknowledge(self, reach: Reach, identity: int, who: str, note: str | None) -> Alarm:
        """Somebody has it: it is not told again unless it gets worse. One that is over, or acknowledged already, stays as it
        is. Raises `NotFound`."""

        async def change(desk: AlarmDesk, now: datetime) -> tuple[Alarm, AlarmChange | None]:
            found = await self.find(reach, identity)
            if not found.is_open or found.acked_at is not None:
                return found, None
            acked = replace(found, acked_at=now, acked_by=who, note=note)
            event = _event("alarm.acknowledged", now, found.taxpayer, who, alarm=str(identity), sort=found.name)
            return acked, AlarmChange(desk.revision, desk.position, desk.last_id, alarms=[acked], events=[event])

        return await self._changed(change)

    async def silences(self, reach: Reach) -> list[Silence]:
        """Those that hold, by id."""
        found = await self._ledger.silences(self._clock.now())
        return [one for one in found if reach.holds(one.taxpayer)]

    async def silence(
        self, reach: Reach, name: str | None, taxpayer: str | None, until: datetime, reason: str, who: str
    ) -> Silence:
        """Raises `FieldsRefused`; `NotFound` for a taxpayer out of reach."""
        self._check(reach, name, taxpayer, until)

        async def change(desk: AlarmDesk, now: datetime) -> tuple[Silence, AlarmChange]:
            made = Silence(desk.last_id + 1, name, taxpayer, reason, now, who, until)
            data = {"silence": str(made.id), "sort": name, "until": until.isoformat()}
            event = _event("silence.made", now, taxpayer, who, **data)
            return made, AlarmChange(desk.revision, desk.position, made.id, silences=[made], events=[event])

        return await self._changed(change)

    async def end(self, reach: Reach, identity: int, who: str) -> Silence:
        """Raises `NotFound` for one that does not hold."""

        async def change(desk: AlarmDesk, now: datetime) -> tuple[Silence, AlarmChange]:
            found = next((one for one in await self.silences(reach) if one.id == identity), None)
            if found is None:
                raise NotFound(Text("没有这个静默", "There is no such silence"), code="KP-FIND-07")
            ended = replace(found, until=now)
            event = _event("silence.ended", now, found.taxpayer, who, silence=str(identity), sort=found.name)
            return ended, AlarmChange(desk.revision, desk.position, desk.last_id, silences=[ended], events=[event])

        return await self._changed(change)

    def _check(self, reach: Reach, name: str | None, taxpayer: str | None, until: datetime) -> None:
        now = self._clock.now()
        if name is not None and name not in self.sorts:
            raise _wrong("sort", "没有这种告警", "There is no such sort of alarms")
        if name is None and taxpayer is None:
            raise _wrong("sort", "sort 与 taxpayer 至少填一个", "Give sort or taxpayer")
        if not now < until <= now + LONGEST_SILENCE:
            days = LONGEST_SILENCE.days
            raise _wrong("until", f"须在现在之后、{days} 天之内", f"It must be later than now, within {days} days")
        if taxpayer is None and reach.taxpayers is not None:
            raise _wrong("taxpayer", "须填写您的一个纳税人", "Name one of your taxpayers")
        if not reach.holds(taxpayer):
            raise NotFound(Text("没有这个纳税人", "There is no such taxpayer"), code="KP-FIND-02")

    async def _changed(self, change: Callable[[AlarmDesk, datetime], Awaitable[tuple[T, AlarmChange | None]]]) -> T:
        """Worked out anew when somebody else was quicker."""
        for _ in range(TRIES):
            desk = await self._ledger.alarm_desk()
            result, wanted = await change(desk, self._clock.now())
            if wanted is None or await self._ledger.change_alarms(wanted):
                return result
        raise LedgerBusy()


def _event(kind: str, at: datetime, taxpayer: str | None, who: str, **data: str | None) -> EventDraft:
    return trail.platform(kind, at, taxpayer, actor=who, **data)


def _wrong(path: str, zh: str, en: str) -> FieldsRefused:
    return FieldsRefused(Text(f"{path}：{zh}", f"{path}: {en}"), fields=[{"path": path, "zh": zh, "en": en}])
