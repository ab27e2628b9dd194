"""What the book of one taxpayer, channel and month says, as values. Pure: read from JSON, written as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from pydantic import AwareDatetime, TypeAdapter

from kaipiao.authority.channel import MonthState, MonthTotals


class Manner(StrEnum):
    """How two sides are compared."""

    TOTALS = "totals"  # the month's totals, and what is stuck
    LIST = "list"  # the bureau's list against ours, then the totals
    NUMBERS = "numbers"  # each of ours asked about, then the totals: finds nothing that our books do not know


class Outcome(StrEnum):
    AGREES = "agrees"
    DIFFERS = "differs"
    INCOMPLETE = "incomplete"  # something could not be judged


class Wish(StrEnum):
    CONFIRM = "confirm"
    UNCONFIRM = "unconfirm"


@dataclass(frozen=True)
class ListRequest:
    """A request for a list that was spent. `ticket` None: its answer is not there (and never will be after a restart)."""

    run: int
    kind: str
    at: AwareDatetime
    ticket: str | None = None


@dataclass(frozen=True)
class Run:
    """A comparison. `asked_by` None: by itself. `cursor`: id of the last of ours that was asked about."""

    id: int
    manner: Manner
    begun_at: AwareDatetime
    asked_by: str | None = None
    cursor: int = 0
    checked: int = 0
    unjudged: int = 0
    ended_at: AwareDatetime | None = None
    outcome: Outcome | None = None
    findings: int = 0


@dataclass(frozen=True)
class Seen:
    """What the bureau last said of the month."""

    at: AwareDatetime
    state: MonthState
    totals: MonthTotals


@dataclass(frozen=True)
class Closing:
    """A wish to confirm (or to cancel), and what became of it. `sent_at`: set before the call; while `done_at` is None the
    bureau is asked before anything is sent again. `refusal`: why it was not done."""

    wish: Wish
    wished_at: AwareDatetime
    asked_by: str | None
    sent_at: AwareDatetime | None = None
    done_at: AwareDatetime | None = None
    refusal: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.done_at is None


@dataclass(frozen=True)
class MonthContent:
    """All of it. `warned`: days before the close for which the warning was given."""

    requests: tuple[ListRequest, ...] = ()
    run: Run | None = None
    seen: Seen | None = None
    closing: Closing | None = None
    warned: tuple[int, ...] = ()

    def open_run(self) -> Run | None:
        return self.run if self.run is not None and self.run.ended_at is None else None


_CONTENT = TypeAdapter(MonthContent)


def load(text: str) -> MonthContent:
    return _CONTENT.validate_json(text)


def dump(content: MonthContent) -> str:
    return json.dumps(_CONTENT.dump_python(content, mode="json"), sort_keys=True, separators=(",", ":"))
