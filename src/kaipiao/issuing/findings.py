"""What two sides' books can disagree about: the names that reconciliation finds and repair mends (R12, R14)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The ways in which our books and the bureau's can differ."""

    MISSING_THERE = "missing_there"
    """We believe it confirmed; the bureau does not hold it."""
    MISSING_HERE = "missing_here"
    """The bureau holds it; our books do not know it."""
    DIFFERENT = "different"
    """Both hold it, with another content."""
    STUCK = "stuck_unknown"
    """Nobody has told us its outcome, and its deadline for that has passed."""
    TOTAL_OFF = "month_total_off"
    """The month's count, amount or tax on the two sides is not the same."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between our books and the bureau's, of one taxpayer, channel and month (yyyy-MM, Shanghai).

    `number` and `order` are None for a finding about the month as a whole; `order` is None too for an invoice
    that our books do not know. `ours` and `theirs` hold only the fields that differ, as text: None where a
    side has no such field. They are for the taxpayer's own eyes and never go into an event or a log.
    """

    taxpayer: str
    channel: str
    month: str
    kind: Kind
    number: str | None
    order: str | None
    ours: Mapping[str, str | None]
    theirs: Mapping[str, str | None]
