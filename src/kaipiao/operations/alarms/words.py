"""What a message says: Chinese first, English second, with the event's fields; nothing of them can be more than a word in it."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kaipiao.clock import SHANGHAI
from kaipiao.delivery.port import Notice
from kaipiao.delivery.wording import line
from kaipiao.language import Text
from kaipiao.ledger.alarms import Alarm
from kaipiao.operations.alarms.sorts import Severity, Sort

SEVERITIES = {
    Severity.CRITICAL: Text("严重", "Critical"),
    Severity.WARNING: Text("警告", "Warning"),
    Severity.INFO: Text("提示", "Notice"),
}
KINDS = {
    "opened": Text("", ""),
    "repeated": Text("仍未解决：", "still open: "),
    "recovered": Text("已恢复：", "recovered: "),
}
LONGEST = 200  # characters of a value
NAMED = 100  # ids of alarms in the data of a message


class _Values(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "—"


@dataclass(frozen=True, slots=True)
class Words:
    """`environment`, `node`: who speaks."""

    environment: str
    node: str

    def of(
        self, kind: str, severity: Severity, alarms: Sequence[Alarm], sorts: Mapping[str, Sort]
    ) -> tuple[str, str, dict[str, Any]]:
        """(title, text, data for programs) of one message about these alarms, the first of which came first."""
        title = self._title(kind, severity, alarms, sorts)
        text = self._one(alarms[0], sorts) if len(alarms) == 1 else self._many(alarms, sorts)
        return title, "\n".join([*text, "", f"{self.environment} · {self.node}"]), self._data(severity, alarms)

    def _title(self, kind: str, severity: Severity, alarms: Sequence[Alarm], sorts: Mapping[str, Sort]) -> str:
        first, events = title_of(alarms[0], sorts), sum(one.count for one in alarms)
        mark, state = SEVERITIES[severity], KINDS[kind]
        if len(alarms) == 1:
            times = f" ×{events:,}" if events > 1 else ""
            return f"【{mark.zh}】{state.zh}{first.zh}{times} / {mark.en}: {state.en}{first.en}{times}"
        zh = f"【{mark.zh}】{state.zh}{len(alarms):,} 个告警（{events:,} 次）：{first.zh} 等"
        return f"{zh} / {mark.en}: {state.en}{len(alarms):,} alarms ({events:,} events)"

    def _one(self, alarm: Alarm, sorts: Mapping[str, Sort]) -> list[str]:
        said = _filled(alarm, alarm.last, sorts)
        found = [*_taxpayer(alarm), said.zh, said.en]
        if alarm.count > 1:
            first = _filled(alarm, alarm.first, sorts)
            found += ["", f"共 {alarm.count:,} 次，第一次 / {alarm.count:,} times, the first:", first.zh, first.en]
        return [*found, *_times(alarm), "", *_step(alarm, sorts), *_commands(alarm)]

    def _many(self, alarms: Sequence[Alarm], sorts: Mapping[str, Sort]) -> list[str]:
        """How many of each sort, a first and a last example."""
        found = []
        for name, count in Counter(one.name for one in alarms).most_common():
            title = title_of(next(one for one in alarms if one.name == name), sorts)
            events = sum(one.count for one in alarms if one.name == name)
            found.append(f"{title.zh} / {title.en}: {count:,} ({events:,})")
        last = max(alarms, key=lambda one: (one.last_at, one.id))
        for label, alarm, example in (("第一个 / first", alarms[0], alarms[0].first), ("最后 / last", last, last.last)):
            said = _filled(alarm, example, sorts)
            found += ["", f"{label}: #{alarm.id}", *_taxpayer(alarm), said.zh, said.en]
        return [*found, "", *_step(alarms[0], sorts), "kaipiao alarm list"]

    def _data(self, severity: Severity, alarms: Sequence[Alarm]) -> dict[str, Any]:
        last = max(alarms, key=lambda one: (one.last_at, one.id))
        return {
            "severity": str(severity),
            "count": sum(one.count for one in alarms),
            "alarms": len(alarms),
            "ids": [str(one.id) for one in alarms[:NAMED]],
            "sorts": dict(Counter(one.name for one in alarms)),
            "first": _example(alarms[0], alarms[0].first),
            "last": _example(last, last.last),
            "environment": self.environment,
            "node": self.node,
        }


def title_of(alarm: Alarm, sorts: Mapping[str, Sort]) -> Text:
    sort = sorts.get(alarm.name)
    return _format(sort.title, alarm, alarm.last) if sort else Text(alarm.name, alarm.name)


def said_of(alarm: Alarm, sorts: Mapping[str, Sort]) -> Text:
    """What its last event says."""
    return _filled(alarm, alarm.last, sorts)


def step_of(alarm: Alarm, sorts: Mapping[str, Sort]) -> Text:
    sort = sorts.get(alarm.name)
    return _format(sort.step, alarm, alarm.last) if sort else Text("—", "—")


def _filled(alarm: Alarm, example: Mapping[str, Any], sorts: Mapping[str, Sort]) -> Text:
    sort = sorts.get(alarm.name)
    return _format(sort.text, alarm, example) if sort else Text("—", "—")


def _format(text: Text, alarm: Alarm, example: Mapping[str, Any]) -> Text:
    values = _Values({name: _value(one) for name, one in example.items() if one is not None})
    if alarm.taxpayer is not None:
        values["taxpayer"] = _value(alarm.taxpayer)
    return Text(text.zh.format_map(values), text.en.format_map(values))


def _value(value: object) -> str:
    said = line(str(value)[: LONGEST * 4])
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"


def _example(alarm: Alarm, example: Mapping[str, Any]) -> dict[str, Any]:
    short = {name: _value(one) if isinstance(one, str) else one for name, one in example.items()}
    return {"alarm": str(alarm.id), "sort": alarm.name, "taxpayer": alarm.taxpayer, **short}


def _taxpayer(alarm: Alarm) -> list[str]:
    return [f"纳税人 / taxpayer: {_value(alarm.taxpayer)}"] if alarm.taxpayer is not None else []


def _times(alarm: Alarm) -> list[str]:
    return [f"{_stamp(alarm.opened_at)} → {_stamp(alarm.closed_at or alarm.last_at)}"]


def _step(alarm: Alarm, sorts: Mapping[str, Sort]) -> list[str]:
    step = step_of(alarm, sorts)
    return [step.zh, step.en]


def _commands(alarm: Alarm) -> list[str]:
    return [f"kaipiao alarm ack {alarm.id}"] if alarm.is_open and alarm.acked_at is None else []


def _stamp(at: datetime) -> str:
    return at.astimezone(SHANGHAI).isoformat(timespec="seconds")


def trial_of(environment: str, node: str, now: datetime) -> Notice:
    """A message that only tries a channel."""
    zh, en = "这是一条测试消息，无须处理。", "This is a test, nothing is to be done."
    title = "【测试】开票告警渠道 / Test of a channel of alarms"
    data = {"severity": "info", "environment": environment, "node": node}
    return Notice(f"msg_{secrets.token_hex(16)}", "test", title, f"{zh}\n{en}\n\n{environment} · {node}", now, data)
