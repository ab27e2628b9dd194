"""What a node writes down while two sides' books of a month are compared and the month is confirmed (R12).

One book for each taxpayer, channel and month: which requests for lists were spent, how far the comparison has come, what
became of the confirmation. Beside it the differences found, one row each. All of it changes by version, in one commit with
its events, so that any node goes on where another one stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from kaipiao.invoice.lifecycle import State

if TYPE_CHECKING:
    from kaipiao.ledger.port import EventDraft


@dataclass(frozen=True, slots=True)
class MonthBook:
    """`version`: + 1 with every change, 0: not stored yet. `content`: JSON in ASCII."""

    taxpayer: str
    channel: str
    month: str
    version: int
    content: str


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One difference. `number` is "" for one about the month as a whole. `run`: which comparison saw it last."""

    taxpayer: str
    channel: str
    month: str
    kind: str
    number: str
    order: str | None
    ours: Mapping[str, str | None]
    theirs: Mapping[str, str | None]
    run: int
    found_at: datetime  # first seen

    @property
    def place(self) -> tuple[str, str]:
        """What it is told apart by within its month."""
        return self.kind, self.number


@dataclass(frozen=True, slots=True)
class Tally:
    """Invoices of a month in one state and of one colour: count, amount without tax, tax (CNY)."""

    state: State
    red: bool
    count: int
    amount: Decimal
    tax: Decimal


class MonthBooks(Protocol):
    """The part of the ledger that reconciliation and the month's end stand on."""

    async def month_book(self, taxpayer: str, channel: str, month: str) -> MonthBook | None: ...
    async def month_books(self, taxpayer: str, limit: int) -> list[MonthBook]:
        """The latest months first."""
        ...

    async def save_month_book(
        self,
        book: MonthBook,
        findings: Sequence[FindingRow] = (),
        *,
        sweep: int | None = None,
        events: Sequence[EventDraft] = (),
    ) -> bool:
        """In one commit, if the stored version is still `book.version`: the content; the findings, each with an event
        `reconcile.found` where it was not there before; and with `sweep` those of the month that this run did not see are
        gone, each with `reconcile.cleared`. False, and nothing stored: another node was faster."""
        ...

    async def findings(
        self, taxpayer: str, *, channel: str | None = None, month: str | None = None, limit: int = 1000
    ) -> list[FindingRow]:
        """What differs now, by month (latest first), kind and number."""
        ...

    async def month_tally(self, taxpayer: str, channel: str, month: str) -> list[Tally]:
        """Numbered invoices of a month, by state and colour (a red one has a negative total)."""
        ...


def found_event(row: FindingRow, at: datetime) -> EventDraft:
    """Names what was found, never what either side's invoice says."""
    return _event("reconcile.found", row, at)


def cleared_event(row: FindingRow, at: datetime) -> EventDraft:
    return _event("reconcile.cleared", row, at)


def _event(kind: str, row: FindingRow, at: datetime) -> EventDraft:
    from kaipiao.ledger.port import EventDraft  # noqa: PLC0415 — the port is made of these books

    data = {"finding": row.kind, "number": row.number or None, "channel": row.channel, "month": row.month}
    return EventDraft(kind, at, row.taxpayer, row.order, data)


def fields_text(fields: Mapping[str, str | None]) -> str:
    return json.dumps(dict(fields), sort_keys=True, separators=(",", ":"))


def fields_of(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = json.loads(text)
    return found
