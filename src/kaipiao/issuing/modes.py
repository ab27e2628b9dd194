"""In which mode issuing runs, since when, why, and until when it may go on (R9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Mode(StrEnum):
    ONLINE = "online"
    DEGRADED = "degraded"  # the far side answers, slowly or in part
    CONTINGENCY_PLANNED = "contingency_planned"  # it said beforehand that it would be away
    CONTINGENCY_FAILURE = "contingency_failure"  # it is away, by its own fault
    OFFLINE = "offline"  # it is there, we do not reach it: our own fault
    HALTED = "halted"  # nothing is issued


@dataclass(frozen=True, slots=True)
class ModeState:
    """Of one channel (`taxpayer` None) or of one taxpayer on it. `cause`: a stable code (`breaker.open`, `authority.announced`,
    `operator`, `budget.numbers`, …). `rule`: which bound gives the `deadline`, as `cover` names them; both None where there
    is none. `evidence`: positions of the events it was derived from."""

    channel: str
    taxpayer: str | None
    mode: Mode
    cause: str
    since: datetime
    rule: str | None = None
    deadline: datetime | None = None
    evidence: tuple[int, ...] = ()
