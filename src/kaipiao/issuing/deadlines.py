"""When an invoice must be settled: the bureau's clocks (R5, R8; 乐企 V3.005 §2.2.4.3, §四.12, §4.2.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import month_close, month_end, year_end
from kaipiao.issuing.budgets import Bound


def upload_closes(made_at: datetime, capabilities: Capabilities) -> datetime:
    """After this instant the bureau takes the invoice no more: 48 h after issue, or its month's close."""
    return min(made_at + timedelta(seconds=capabilities.upload_window), month_close(made_at))


def resolve_by(made_at: datetime, submitted_at: datetime | None, capabilities: Capabilities) -> datetime:
    """R5: an UNKNOWN must be resolved before the upload window closes and, if it was submitted, before its result window does."""
    closes = upload_closes(made_at, capabilities)
    if submitted_at is None:
        return closes
    return min(closes, submitted_at + timedelta(seconds=capabilities.result_window))


def clocks(
    now: datetime, debt: datetime | None, quota_until: datetime | None, capabilities: Capabilities
) -> dict[Bound, datetime]:
    """When each clock ends issuing with nobody answering (R7, R8). `debt`: made_at of the oldest invoice that the bureau may
    still have to hear of; without any an invoice that is made now is the first."""
    ends = {
        Bound.UPLOAD_WINDOW: (debt or now) + timedelta(seconds=capabilities.upload_window),
        Bound.MONTH_END: month_end(now),
        Bound.YEAR_END: year_end(now),
    }
    if debt is not None:
        ends[Bound.MONTH_CLOSE] = month_close(debt)
    if quota_until is not None:
        ends[Bound.QUOTA_VALIDITY] = quota_until
    return ends


def first_of(ends: Mapping[Bound, datetime]) -> tuple[Bound, datetime]:
    """The rule of a deadline, and the deadline."""
    return min(ends.items(), key=lambda pair: (pair[1], pair[0]))
