"""When the two sides' books are compared without being asked to, and what counts as stuck. Each number is a setting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kaipiao.clock import SHANGHAI, month_close, month_of
from kaipiao.issuing.month_state import Manner, MonthContent


@dataclass(frozen=True, slots=True)
class ReconcilePolicy:
    """Hours and days of Asia/Shanghai. Every night the totals are compared; on the days named, the bureau's list is too, so
    that requests are left for whoever asks by hand. `warn_days`: days before the close at which open items are an alarm.
    `confirm`: "never", or "when_equal": from `confirm_day` on, a month without anything open is confirmed by itself."""

    hour: int = 3
    list_days_this_month: tuple[int, ...] = (7, 14, 21, 28)
    list_days_past_month: tuple[int, ...] = (2, 8)
    stuck_seconds: float = 43200.0
    warn_days: tuple[int, ...] = (3, 1)
    confirm: str = "never"
    confirm_day: int = 10
    round_seconds: float = 5.0  # between two looks for something to do, of the platform's clock
    ask_batch: int = 50  # numbers asked about between two commits
    keep_open: int = 24  # months whose comparison by hand is gone on with

    def night(self, now: datetime) -> datetime:
        """When the latest night's comparison was due."""
        tonight = now.astimezone(SHANGHAI).replace(hour=self.hour, minute=0, second=0, microsecond=0)
        return tonight if tonight <= now else tonight - timedelta(days=1)

    def due(self, content: MonthContent, month: str, now: datetime) -> Manner | None:
        """In which manner a month is to be compared now by itself; None: not now."""
        since = self.night(now)
        if content.open_run() is not None or (content.run is not None and content.run.begun_at >= since):
            return None
        days = self.list_days_this_month if month == month_of(now) else self.list_days_past_month
        return Manner.LIST if since.day in days else Manner.TOTALS


def months_open(now: datetime) -> tuple[str, ...]:
    """The month that it now is, and the one before while it is not closed."""
    first = now.astimezone(SHANGHAI).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = first - timedelta(days=1)
    return (month_of(now),) if now >= month_close(before) else (month_of(now), month_of(before))


def first_instant(month: str) -> datetime:
    """Of a month yyyy-MM. Raises ValueError for what is none."""
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=SHANGHAI)


def close_of(month: str) -> datetime:
    """The 13th of the next month, 00:00 in Asia/Shanghai."""
    return month_close(first_instant(month))
