"""The desk of alarms: one node at a time follows the trail, keeps the alarms, and writes down who is to be told what.

What it has read is as far along as what it has stored: both are one commit, that holds only while nobody else has changed the
desk. So a node that dies or is overtaken leaves nothing half judged, and no event is judged twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from kaipiao.clock import Clock, SystemClock
from kaipiao.ledger.alarms import Alarm, AlarmChange, AlarmDesk, Silence
from kaipiao.ledger.port import Event, EventDraft, Ledger
from kaipiao.operations.alarms.judging import Board, board_of, judge, lapse
from kaipiao.operations.alarms.sorts import Sort, kinds
from kaipiao.operations.alarms.telling import Manner, tell
from kaipiao.operations.alarms.words import Words

log = logging.getLogger(__name__)
LEASE = 15.0  # seconds of the ledger's clock
HELD_AGAIN = 5.0  # real seconds after which the lease is prolonged
LOOK = 1.0  # seconds between looks
PAGE = 1000
KEPT = timedelta(days=30)  # messages that have ended
FORGET = 3600.0  # real seconds between looks for what can be forgotten
MOST = 100_000  # open alarms that are read; far more than `judging.MOST_OPEN` lets there be

Further = Callable[[Sequence[Alarm], datetime], Sequence[EventDraft]]


class AlarmDeskWork:
    """`holds`: this node has the desk, as far as it knows."""

    def __init__(
        self,
        ledger: Ledger,
        node: str,
        sorts: Mapping[str, Sort],
        manner: Manner,
        words: Words,
        clock: Clock,
        *,
        further: Further = lambda alarms, now: (),
        wall: Clock | None = None,
    ) -> None:
        """`further`: events that are to be written once for all nodes, told from the alarms that are open."""
        self._ledger, self._node = ledger, node
        self._sorts, self._kinds = sorts, kinds(sorts)
        self._manner, self._words, self._further = manner, words, further
        self._clock, self._wall = clock, wall or SystemClock()
        self._told: dict[str, datetime] = {}
        self._seen: tuple[int, list[Alarm], list[Silence]] | None = None  # as they were at a revision
        self._read_to = 0
        self._held_at = self._forgot_at = -FORGET
        self.holds = False
        self.open: dict[str, int] = {}  # alarms that are open, by severity

    async def begin(self) -> None:
        """Once before anything is written: what happened before there were alarms is none."""
        await self._ledger.begin_alarms(await self._ledger.last_position())

    async def look(self) -> float:
        """Judge what is new, tell what is due. Returns the seconds until the next look."""
        desk = await self._desk()
        if desk is None:
            self.open, self._seen = {}, None
            return LOOK
        until = await self._ledger.last_position()
        after = max(desk.position, self._read_to)
        events = await self._ledger.alarm_events(self._kinds, after, until, PAGE) if until > after else []
        reached = events[-1].position if len(events) == PAGE else max(until, after)
        if await self._judged(desk, events, reached):
            self._read_to = reached
        await self._forget()
        return 0.0 if len(events) == PAGE else LOOK

    async def release(self) -> None:
        """Another node goes on at once."""
        self.holds, self._held_at = False, -FORGET
        await self._ledger.release_alarms(self._node)

    async def _desk(self) -> AlarmDesk | None:
        if not self.holds or time.monotonic() >= self._held_at + HELD_AGAIN:
            desk = await self._ledger.hold_alarms(self._node, LEASE)
            if desk is not None and not self.holds:
                self._read_to = desk.position
            self.holds, self._held_at = desk is not None, time.monotonic()
            return desk
        return await self._ledger.alarm_desk()

    async def _judged(self, desk: AlarmDesk, events: Sequence[Event], reached: int) -> bool:
        """False: somebody changed the desk meanwhile; it is done again from the beginning."""
        now = self._clock.now()
        if self._seen is None or self._seen[0] != desk.revision:
            alarms = await self._ledger.alarms(open_only=True, limit=MOST)
            self._seen = (desk.revision, alarms, await self._ledger.silences(now))
        board = board_of(*self._seen[1:], desk.last_id)
        judge(board, events, self._sorts, now)
        lapse(board, self._sorts, now)
        told = dict(self._told)
        messages = tell(board, self._sorts, self._manner, told, now, self._wall.now(), self._words)
        further = [] if len(events) == PAGE else self._further(list(board.open.values()), now)
        held = True
        if board.changed or board.hushed or messages or further:
            held = await self._ledger.change_alarms(
                AlarmChange(
                    desk.revision,
                    reached,
                    board.last_id,
                    list(board.changed.values()),
                    list(board.hushed.values()),
                    messages,
                    further,
                )
            )
        if held:
            self._told = told
            self._count(board)
        return held

    def _count(self, board: Board) -> None:
        self.open = {}
        for alarm in board.open.values():
            self.open[alarm.severity] = self.open.get(alarm.severity, 0) + 1
        for alarm in board.changed.values():
            if alarm.told_at is not None or not alarm.is_open:
                state = "open" if alarm.is_open else "closed"
                log.info("alarm", extra={"alarm": alarm.id, "sort": alarm.name, "state": state})

    async def _forget(self) -> None:
        if time.monotonic() >= self._forgot_at + FORGET:
            self._forgot_at = time.monotonic()
            await self._ledger.forget_messages(self._wall.now() - KEPT)
