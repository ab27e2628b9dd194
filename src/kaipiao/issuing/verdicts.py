"""The port for a diagnosis of why a channel is not reached: what it finds decides between the modes (R9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kaipiao.issuing.modes import Mode


@dataclass(frozen=True, slots=True)
class Verdict:
    """`mode`: what the evidence speaks for (`OFFLINE`: the fault is ours; `CONTINGENCY_FAILURE`: it is theirs; `DEGRADED`).
    `cause`: a stable code. `until`: it is not believed any more after this instant."""

    channel: str
    mode: Mode
    cause: str
    at: datetime
    until: datetime


class Verdicts(Protocol):
    """The same on every node that has read the same trail: it is worked out from events, never from what one node saw."""

    def of(self, now: datetime) -> Mapping[str, Verdict]:
        """By channel, of those that are believed now."""
        ...


class NoVerdicts:
    """Nobody looks for causes."""

    def of(self, now: datetime) -> Mapping[str, Verdict]:
        return {}
