"""Which of the alarms are told now, and which of them together: pure."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kaipiao.ledger.alarms import Alarm, Message
from kaipiao.operations.alarms.judging import LAPSED, Board
from kaipiao.operations.alarms.sorts import STARTED, Severity, Sort
from kaipiao.operations.alarms.words import Words

OPENED, REPEATED, RECOVERED = "opened", "repeated", "recovered"
ABOUT_CHANNELS = "delivery"  # the sort whose message must not go through the channel that it is about


@dataclass(frozen=True, slots=True)
class Manner:
    """`gather`, `pause`: as in the settings. `routes`: severities that have a channel."""

    gather: timedelta
    pause: timedelta
    routes: Collection[str]


def tell(
    board: Board,
    sorts: Mapping[str, Sort],
    manner: Manner,
    told: dict[str, datetime],
    now: datetime,
    at: datetime,
    words: Words,
    make_key: Callable[[], str] = lambda: f"msg_{secrets.token_hex(16)}",
) -> list[Message]:
    """One message for each severity and what happened. Marks on the board what is told; `told`: when something of a sort was
    told last. `at`: real time."""
    messages: list[Message] = []

    def message(kind: str, severity: str, alarms: list[Alarm]) -> None:
        if not alarms:
            return
        board.last_id += 1
        title, text, data = words.of(kind, Severity(severity), alarms, sorts)
        avoid = tuple(sorted({str(one.last.get("channel")) for one in alarms if one.name == ABOUT_CHANNELS}))
        messages.append(Message(board.last_id, make_key(), kind, severity, at, at, title, text, data, avoid))

    ended = [one for one in board.closed if one.told_at is not None and one.closed_by not in (LAPSED, STARTED)]
    for severity in manner.routes:
        message(RECOVERED, severity, [one for one in _of(ended, severity) if board.silence_of(one, now) is None])
        for kind, due in _due(board, sorts, manner, told, now, severity).items():
            message(kind, severity, due)
            for alarm in due:
                told[alarm.name] = now
                board.put(replace(alarm, told_at=now, told_count=alarm.count, told_severity=severity))
    return messages


def _due(
    board: Board, sorts: Mapping[str, Sort], manner: Manner, told: Mapping[str, datetime], now: datetime, severity: str
) -> dict[str, list[Alarm]]:
    """What kind of message → which alarms, the oldest first."""
    mine = [one for one in _of(board.open.values(), severity) if board.silence_of(one, now) is None]
    fresh = [one for one in mine if one.told_at is None or one.told_severity != severity]
    last = dict(told)
    for one in board.open.values():
        if one.told_at is not None:
            last[one.name] = max(one.told_at, last.get(one.name, one.told_at))
    ready = [one for one in fresh if _is_ready(one, last.get(one.name), manner, now)]
    opened = ready if any(now - one.opened_at >= manner.gather for one in ready) else []
    repeated = [one for one in mine if one not in fresh and _is_repeated(one, sorts, now)]
    return {OPENED: opened, REPEATED: repeated}


def _is_ready(alarm: Alarm, last: datetime | None, manner: Manner, now: datetime) -> bool:
    """A rise waits for nothing; else the sort was not told of a moment ago."""
    return alarm.told_at is not None or last is None or last + manner.pause <= now


def _is_repeated(alarm: Alarm, sorts: Mapping[str, Sort], now: datetime) -> bool:
    sort = sorts.get(alarm.name)
    if sort is None or alarm.told_at is None or alarm.acked_at is not None:
        return False
    return alarm.told_at + sort.repeat <= now


def _of(alarms: Iterable[Alarm], severity: str) -> list[Alarm]:
    return sorted((one for one in alarms if one.severity == severity), key=lambda one: one.id)
