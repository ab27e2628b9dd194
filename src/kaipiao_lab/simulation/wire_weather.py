"""What goes wrong between a node and the bureau, and at its door: how often, of all calls."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class WireWeather:
    """`outage`: None, "gone" (nobody there), "silent" (calls vanish), "deaf" (calls arrive, answers do not) or "busy".
    `words`: of uploads, word → weight; an empty mapping: all is well."""

    outage: str | None = None
    lost: float = 0.0  # requests
    unheard: float = 0.0  # answers
    words: dict[str, float] = field(default_factory=dict)
    poll_words: dict[str, float] = field(default_factory=dict)
    late: float = 0.0  # uploads that are committed late though they were answered
    poisoned: float = 0.0  # invoices that the channel cannot carry for now: it raises
    unreadable: float = 0.0  # invoices whose content cannot be digested for now: it raises
    refused: float = 0.0  # invoices that the bureau refuses for now
    foreign: float = 0.0  # numbers under which it holds somebody else's invoice


STORMY = {
    "busy": 2.0,
    "refuse": 1.0,
    "repeat": 1.0,
    "retry": 1.0,
    "fault": 2.0,
    "garbage": 1.0,
    "late": 3.0,
    "ok": 12.0,
}
LYING = {"nothing": 1.0, "half": 2.0, "strangers": 1.0, "refused": 1.0, "shuffled": 2.0, "ok": 6.0}
