"""What the pretend bureau's rules are, in one place. Times in seconds of the platform's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal

HOUR = 3600.0
SHANGHAI = timezone(timedelta(hours=8))  # the judge's own: it shares no calendar with what it judges
LATEST_COMMIT = 300.0  # after it took a copy in: less than the settle time, which is published


@dataclass(frozen=True, slots=True)
class Rulebook:
    upload_window: float = 48 * HOUR
    result_window: float = 12 * HOUR
    hide: float = 0.0  # how long it does not show what it holds: less than the visibility time, which is published
    quota_total: Decimal = Decimal("1000000.00")  # of each taxpayer and month
    quota_days: float | None = None  # a download is good for so long; None: to the end of its month
    calls_per_second: float = 5.0
    refuses_first: bool = False  # quota and windows are checked before it looks whether it holds the number
    segment_limit: int = 5000


def month(instant: datetime) -> str:
    return instant.astimezone(SHANGHAI).strftime("%Y-%m")


def year(instant: datetime) -> int:
    return instant.astimezone(SHANGHAI).year


def next_month(instant: datetime, day: int = 1) -> datetime:
    """00:00 of that day of the following month."""
    local = instant.astimezone(SHANGHAI)
    first = (local.replace(day=1) + timedelta(days=32)).replace(day=day)
    return first.replace(hour=0, minute=0, second=0, microsecond=0)


def closes(made_at: datetime, rules: Rulebook) -> datetime:
    """When an invoice can be uploaded no more: after 48 h, or when its month is closed on the 13th of the next."""
    return min(made_at + timedelta(seconds=rules.upload_window), next_month(made_at, 13))
