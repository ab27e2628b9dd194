"""What the authority says of its own service, as machine input: planned maintenance, failure, recovery (R9). Pure.

Announcements live in the trail (`authority.announced`, `authority.withdrawn`) and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from kaipiao.errors import FieldsRefused, Malformed
from kaipiao.language import Text

MOST_TEXT = 200
LONGEST = timedelta(days=31)
KEPT = timedelta(days=90)  # after its end


class Announced(StrEnum):
    MAINTENANCE = "maintenance"  # planned: from … until …
    FAILURE = "failure"  # it says that it has failed; until it says that it has recovered, or `until`
    RECOVERED = "recovered"  # what was announced to have begun before is over


@dataclass(frozen=True, slots=True)
class Announcement:
    """`begin`, `end`: instants; `end` is None for a failure without a known end, and for a recovery. `position` of its event."""

    id: str
    channel: str
    kind: Announced
    begin: datetime
    end: datetime | None
    text: str = ""
    actor: str | None = None
    withdrawn: bool = False
    position: int = 0

    def holds(self, at: datetime) -> bool:
        return not self.withdrawn and self.begin <= at and (self.end is None or at < self.end)

    def over(self, at: datetime) -> bool:
        return self.withdrawn or (self.end is not None and self.end <= at)

    def data(self) -> dict[str, str | None]:
        """As event data."""
        return {
            "channel": self.channel,
            "id": self.id,
            "kind": self.kind.value,
            "from": self.begin.isoformat(),
            "until": None if self.end is None else self.end.isoformat(),
            "text": self.text,
            "actor": self.actor,
        }


def of_data(data: Mapping[str, Any], position: int) -> Announcement | None:
    """The announcement of an event; None of one that is not whole."""
    try:
        end = data.get("until")
        return Announcement(
            str(data["id"]),
            str(data["channel"]),
            Announced(data["kind"]),
            _instant(data["from"]),
            None if end is None else _instant(end),
            str(data.get("text") or ""),
            data.get("actor"),
            position=position,
        )
    except (KeyError, ValueError, TypeError):
        return None


def standing(announcements: Iterable[Announcement]) -> list[Announcement]:
    """As they stand after what was said later: a recovery ends what began before it on its channel."""
    every = list(announcements)
    recoveries = [a for a in every if a.kind is Announced.RECOVERED and not a.withdrawn]
    return [_after(a, recoveries) for a in every]


def _after(one: Announcement, recoveries: list[Announcement]) -> Announcement:
    ends = [r.begin for r in recoveries if r.channel == one.channel and one.begin < r.begin and one.kind is not r.kind]
    if not ends or (one.end is not None and one.end <= min(ends)):
        return one
    return replace(one, end=min(ends))


def checked(fields: Mapping[str, Any], channels: Iterable[str], now: datetime, identity: str) -> list[Announcement]:
    """The announcement of a request, one for each channel it concerns (`channel` left out: all). Raises `FieldsRefused`
    that names every wrong field."""
    wrong: list[dict[str, str]] = []
    known = list(channels)
    channel, text = fields.get("channel"), fields.get("text") or ""
    if channel is not None and channel not in known:
        wrong.append(_field("channel", "没有这个通道", "there is no such channel"))
    kind = fields.get("kind")
    if kind not in [k.value for k in Announced]:
        wrong.append(_field("kind", "须为 maintenance、failure 或 recovered", "maintenance, failure or recovered"))
    begin, end = (_given(fields.get(name), name, wrong) for name in ("from", "until"))
    begin = begin or now
    if not isinstance(text, str) or len(text) > MOST_TEXT or not text.isprintable():
        wrong.append(_field("text", f"至多 {MOST_TEXT} 个可见字符", f"at most {MOST_TEXT} printable characters"))
    wrong += _wrong_times(kind, begin, end, now)
    if wrong:
        raise FieldsRefused(fields=wrong)
    names = known if channel is None else [str(channel)]
    return [
        Announcement(f"{identity}-{n}" if n else identity, name, Announced(str(kind)), begin, end, text)
        for n, name in enumerate(names)
    ]


def _wrong_times(kind: object, begin: datetime, end: datetime | None, now: datetime) -> list[dict[str, str]]:
    wrong = []
    if kind == Announced.MAINTENANCE and end is None:
        wrong.append(_field("until", "维护须有结束时间", "maintenance has an end"))
    if kind == Announced.RECOVERED and end is not None:
        wrong.append(_field("until", "恢复没有结束时间", "a recovery has no end"))
    if end is not None and not begin < end <= begin + LONGEST:
        wrong.append(_field("until", "须在开始之后、31 天之内", "after the beginning, within 31 days"))
    if end is not None and end <= now:
        wrong.append(_field("until", "已经过去", "it is past"))
    if abs(begin - now) > timedelta(days=366):
        wrong.append(_field("from", "须在一年之内", "within a year"))
    return wrong


def _given(value: object, name: str, wrong: list[dict[str, str]]) -> datetime | None:
    if value is None:
        return None
    try:
        return _instant(value)
    except (ValueError, TypeError):
        wrong.append(_field(name, "须为带时区的 ISO 8601 时刻", "an ISO 8601 instant with its offset"))
        return None


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError("no text")
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("no offset")
    found.timestamp()  # one that no clock can show is none
    return found


def _field(path: str, zh: str, en: str) -> dict[str, str]:
    return {"path": path, "zh": zh, "en": en}


def of_file(text: str) -> list[dict[str, Any]]:
    """The announcements of a JSON file: one object, or an array of them, with the fields of the API. Raises `Malformed`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as broken:
        raise Malformed(Text("公告文件不是 JSON", "The file of announcements is not JSON")) from broken
    rows = found if isinstance(found, list) else [found]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise Malformed(
            Text("公告文件须为对象或对象的数组", "An announcement is an object, a file one or an array of them")
        )
    return rows
