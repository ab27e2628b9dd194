"""Which events are alarms, as data/alarms.toml says; read and checked once, at the start."""

from __future__ import annotations

import json
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from kaipiao.language import Text
from kaipiao.ledger.port import Event

STARTED = "node.started"  # {node}
FIELDS = frozenset(
    {"name", "group", "opens", "clears", "repeat_hours", "lapse_hours", "of_node", "title", "text", "step"}
)


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Within:
    """A whole number between these, both included."""

    min: int | None = None
    max: int | None = None

    def holds(self, value: object) -> bool:
        if type(value) is not int:
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event that opens or clears an alarm. `when`: what must hold of its fields."""

    kind: str
    when: Mapping[str, Within | tuple[object, ...]] = field(default_factory=dict)
    severity: Severity = Severity.INFO

    def fits(self, event: Event) -> bool:
        return event.kind == self.kind and all(
            wanted.holds(event.data.get(name)) if isinstance(wanted, Within) else event.data.get(name) in wanted
            for name, wanted in self.when.items()
        )


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of alarms. `of_node`: it is what one node saw, and knows no more of when it starts anew."""

    name: str
    group: tuple[str, ...]
    opens: tuple[Trigger, ...]
    title: Text
    text: Text
    step: Text
    repeat: timedelta
    clears: tuple[Trigger, ...] = ()
    lapse: timedelta | None = None
    of_node: bool = False

    def opened_by(self, event: Event) -> Severity | None:
        """How severe; None: it opens none."""
        fitting = [one.severity for one in self.opens if one.fits(event)]
        return max(fitting, key=lambda severity: severity.rank, default=None)

    def cleared_by(self, event: Event) -> bool:
        return any(one.fits(event) for one in self.clears)

    def group_of(self, event: Event) -> str:
        values = [event.data.get(name) for name in self.group]
        return json.dumps([self.name, event.taxpayer, *values], ensure_ascii=True)


@cache
def sorts() -> dict[str, Sort]:
    """Those of the package. Raises `ValueError` that names what is wrong in the file."""
    return read(tomllib.loads(files("kaipiao.operations").joinpath("data/alarms.toml").read_text("utf-8")))


def kinds(all_sorts: Mapping[str, Sort]) -> frozenset[str]:
    """The events that matter to any of them."""
    found = frozenset(one.kind for sort in all_sorts.values() for one in (*sort.opens, *sort.clears))
    return found | {STARTED} if any(sort.of_node for sort in all_sorts.values()) else found


def read(raw: Mapping[str, Any]) -> dict[str, Sort]:
    return {name: _sort(name, entry) for name, entry in raw.items()}


def _sort(name: str, entry: Mapping[str, Any]) -> Sort:
    try:
        unknown = entry.keys() - FIELDS
        if unknown or not name.isidentifier():
            raise ValueError(f"unknown: {sorted(unknown)}")
        lapse = entry.get("lapse_hours")
        made = Sort(
            name=name,
            group=tuple(_word(one) for one in entry["group"]),
            opens=tuple(_trigger(one) for one in entry["opens"]),
            clears=tuple(_trigger({"severity": "info", **one}) for one in entry.get("clears", ())),
            title=_text(entry["title"]),
            text=_text(entry["text"]),
            step=_text(entry["step"]),
            repeat=_hours(entry["repeat_hours"]),
            lapse=None if lapse is None else _hours(lapse),
            of_node=_yes(entry.get("of_node", False)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise ValueError(f"alarms.toml: [{name}]: {wrong}") from wrong
    if not made.opens or (not made.clears and made.lapse is None):
        raise ValueError(f"alarms.toml: [{name}]: something opens it, and it is cleared or lapses")
    return made


def _trigger(raw: Mapping[str, Any]) -> Trigger:
    unknown = raw.keys() - {"kind", "when", "severity"}
    if unknown:
        raise ValueError(f"unknown: {sorted(unknown)}")
    when = {_word(name): _wanted(one) for name, one in raw.get("when", {}).items()}
    return Trigger(str(raw["kind"]), when, Severity(raw["severity"]))


def _wanted(raw: object) -> Within | tuple[object, ...]:
    if isinstance(raw, Mapping):
        return Within(**raw)
    if not isinstance(raw, list) or not raw:
        raise ValueError(f"when: a list of values, or min and max, not {raw!r}")
    return tuple(raw)


def _word(name: object) -> str:
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"no name of a field: {name!r}")
    return name


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"of_node: true or false, not {value!r}")
    return value


def _hours(value: float) -> timedelta:
    if not 0 < value <= 24 * 366:
        raise ValueError(f"hours: {value}")
    return timedelta(hours=value)


def _text(raw: Mapping[str, str]) -> Text:
    made = Text(raw["zh"], raw["en"])
    for one in (made.zh, made.en):
        if not one or any(
            name is not None and not name.isidentifier() for _, name, _, _ in string.Formatter().parse(one)
        ):
            raise ValueError(f"text: {one!r}")
    return made
