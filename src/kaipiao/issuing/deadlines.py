"""When an invoice must be settled: the bureau's clocks (R5, R8; 乐企 V3.005 §2.2.4.3, §四.12, §4.2.1). Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import month_close


def upload_closes(made_at: datetime, capabilities: Capabilities) -> datetime:
    """After this instant the bureau takes the invoice no more: 48 h after issue, or its month's close."""
    return min(made_at + timedelta(seconds=capabilities.upload_window), month_close(made_at))


def resolve_by(made_at: datetime, submitted_at: datetime | None, capabilities: Capabilities) -> datetime:
    """R5: an UNKNOWN must be resolved before the upload window closes and, if it was submitted, before its result window does."""
    closes = upload_closes(made_at, capabilities)
    if submitted_at is None:
        return closes
    return min(closes, submitted_at + timedelta(seconds=capabilities.result_window))
