"""How many hours can we issue with nobody answering? The figure always comes with the bound that binds (R7).

Rate: invoices and quota of the last hour to begin with; the 90th percentile over four weeks comes later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import Clock, month_close, month_end, month_of, year_end, year_of
from kaipiao.ledger.port import Ledger


@dataclass(frozen=True, slots=True)
class Cover:
    """`hours` ≥ 0; `bound`: numbers, quota, upload_window, quota_validity, month_end, month_close or year_end;
    `bounds`: hours by each bound, None where the rate is zero and the bound is far."""

    taxpayer: str
    hours: float
    bound: str
    rate_per_hour: int
    numbers_left: int
    quota_left: str
    bounds: dict[str, float | None]


async def cover_of(ledger: Ledger, taxpayer: str, channel: str, capabilities: Capabilities, clock: Clock) -> Cover:
    """The cover of one taxpayer on one channel, as the ledger has it now."""
    now = clock.now()
    counts = await ledger.number_counts(taxpayer, channel, year_of(now))
    quota = await ledger.quota(taxpayer, channel, month_of(now))
    issued, amount = await ledger.issued_since(taxpayer, now - timedelta(hours=1))
    oldest = await ledger.oldest_debt(taxpayer)
    left = counts.free + counts.leased
    bounds: dict[str, float | None] = {
        "numbers": _by_rate(left, issued),
        "quota": _by_rate(float(quota.left), float(amount)),
        "upload_window": _hours(oldest or now, timedelta(seconds=capabilities.upload_window), now),
        "month_end": _hours(month_end(now), timedelta(0), now),
        "year_end": _hours(year_end(now), timedelta(0), now),
    }
    if oldest is not None:
        bounds["month_close"] = _hours(month_close(oldest), timedelta(0), now)
    if quota.valid_until is not None:
        bounds["quota_validity"] = _hours(quota.valid_until, timedelta(0), now)
    bound, hours = min(((k, v) for k, v in bounds.items() if v is not None), key=lambda pair: pair[1])
    return Cover(taxpayer, round(hours, 2), bound, issued, left, str(quota.left), bounds)


def _by_rate(stock: float, per_hour: float) -> float | None:
    if stock <= 0:
        return 0.0
    return stock / per_hour if per_hour > 0 else None


def _hours(start: datetime, span: timedelta, now: datetime) -> float:
    return max(0.0, (start + span - now) / timedelta(hours=1))
