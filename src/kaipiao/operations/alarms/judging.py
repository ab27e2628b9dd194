"""What events make of the alarms that are open: pure, so that whoever works it out twice comes to the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from kaipiao.ledger.alarms import Alarm, Silence
from kaipiao.ledger.port import Event
from kaipiao.operations.alarms.sorts import STARTED, Severity, Sort

MOST_OPEN = 5000  # alarms of their own; what comes beyond is one alarm for each sort
LAPSED = "lapsed"


@dataclass(slots=True)
class Board:
    """The alarms that are open by group, and the silences that hold, as they become. `changed`, `hushed`: by id, what is to be
    stored; `closed`: what has just ended."""

    open: dict[str, Alarm]
    silences: list[Silence]
    last_id: int
    changed: dict[int, Alarm] = field(default_factory=dict)
    hushed: dict[int, Silence] = field(default_factory=dict)
    closed: list[Alarm] = field(default_factory=list)

    def put(self, alarm: Alarm) -> None:
        self.changed[alarm.id] = alarm
        if alarm.is_open:
            self.open[alarm.group] = alarm
        else:
            del self.open[alarm.group]
            self.closed.append(alarm)

    def silence_of(self, alarm: Alarm, now: datetime) -> Silence | None:
        return next((one for one in self.silences if one.until > now and covers(one, alarm)), None)


def covers(silence: Silence, alarm: Alarm) -> bool:
    return silence.name in (None, alarm.name) and silence.taxpayer in (None, alarm.taxpayer)


def judge(board: Board, events: Iterable[Event], sorts: Mapping[str, Sort], now: datetime) -> None:
    """Each event once, in order."""
    by_kind: dict[str, list[Sort]] = {}
    for sort in sorts.values():
        for kind in {one.kind for one in (*sort.opens, *sort.clears)}:
            by_kind.setdefault(kind, []).append(sort)
    for event in events:
        if event.kind == STARTED:
            _start_anew(board, event, sorts, now)
        for sort in by_kind.get(event.kind, ()):
            _judge_one(board, event, sort, now)


def lapse(board: Board, sorts: Mapping[str, Sort], now: datetime) -> None:
    """End what nothing further came of. A sort that there is no more has lapsed too."""
    for alarm in list(board.open.values()):
        sort = sorts.get(alarm.name)
        if sort is None or (sort.lapse is not None and alarm.last_at + sort.lapse <= now):
            board.put(replace(alarm, closed_at=now, closed_by=LAPSED))


def _start_anew(board: Board, event: Event, sorts: Mapping[str, Sort], now: datetime) -> None:
    """What a node saw before it started is over, or it will say so again; what another one saw as well stays."""
    node = event.data.get("node")
    for alarm in list(board.open.values()):
        sort = sorts.get(alarm.name)
        if sort is not None and sort.of_node and node == alarm.first.get("node") == alarm.last.get("node"):
            board.put(replace(alarm, closed_at=now, closed_by=STARTED))


def _judge_one(board: Board, event: Event, sort: Sort, now: datetime) -> None:
    group = sort.group_of(event)
    severity = sort.opened_by(event)
    if severity is not None:
        _open(board, event, sort, group, severity, now)
    elif sort.cleared_by(event) and group in board.open:
        board.put(replace(board.open[group], closed_at=now, closed_by=event.kind, last_at=now))


def _open(board: Board, event: Event, sort: Sort, group: str, severity: Severity, now: datetime) -> None:
    if group not in board.open and len(board.open) >= MOST_OPEN:
        group = json.dumps([sort.name, event.taxpayer, "*"], ensure_ascii=True)
    example = {**event.data, "kind_of_event": event.kind, "at": event.at.isoformat(), "order": event.subject}
    known = board.open.get(group)
    if known is None:
        board.last_id += 1
        known = Alarm(board.last_id, sort.name, group, event.taxpayer, severity, now, now, 0, example, example)
    risen = max((Severity(known.severity), severity), key=lambda one: one.rank)
    alarm = replace(known, severity=str(risen), last_at=now, count=known.count + 1, last=example)
    if risen.rank > Severity(known.severity).rank:  # whoever acknowledged it did not know of this
        alarm = replace(alarm, acked_at=None, acked_by=None, note=None)
    silence = board.silence_of(alarm, now)
    if silence is not None:
        alarm = replace(alarm, silenced=alarm.silenced + 1)
        _hit(board, silence)
    board.put(alarm)


def _hit(board: Board, silence: Silence) -> None:
    hit = replace(silence, hits=silence.hits + 1)
    board.silences = [hit if one.id == hit.id else one for one in board.silences]
    board.hushed[hit.id] = hit


def board_of(alarms: Sequence[Alarm], silences: Sequence[Silence], last_id: int) -> Board:
    return Board({one.group: one for one in alarms}, list(silences), last_id)
