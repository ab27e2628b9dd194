"""How many hours can we issue with nobody answering? The figure always comes with the bound that binds (R7).

The rate is the 90th percentile, over four weeks, of this weekday's hour; where that says nothing (a new taxpayer, an hour in
which none was ever made) it is that of the last hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import TypeVar

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import Clock, month_of, year_of
from kaipiao.issuing.budgets import Bound
from kaipiao.issuing.deadlines import clocks
from kaipiao.ledger.continuity import HOUR, HourTotal, whole_hour
from kaipiao.ledger.port import Ledger

WEEKS = 4
WEEK = timedelta(days=7)
SETTLED = timedelta(minutes=5)  # after an hour, until nothing of it is on its way into the ledger any more
FOUR_WEEKS, LAST_HOUR = "four_weeks", "last_hour"
N = TypeVar("N", int, Decimal)


@dataclass(frozen=True, slots=True)
class Rate:
    """Invoices and quota (CNY without tax) an hour. `source`: four_weeks or last_hour. `samples`: hours it comes from."""

    invoices: int
    quota: Decimal
    source: str
    samples: int


@dataclass(frozen=True, slots=True)
class Cover:
    """`hours` >= 0; `bound`: numbers, quota, upload_window, quota_validity, month_end, month_close or year_end;
    `bounds`: hours by each bound, None where the rate is zero and the bound is far. `rate_source`: see `Rate`."""

    taxpayer: str
    hours: float
    bound: str
    rate_per_hour: int
    numbers_left: int
    quota_left: str
    bounds: dict[str, float | None]
    rate_source: str = LAST_HOUR
    rate_samples: int = 1
    quota_per_hour: str = "0.00"


async def cover_of(ledger: Ledger, taxpayer: str, channel: str, capabilities: Capabilities, clock: Clock) -> Cover:
    """The cover of one taxpayer on one channel, as the ledger has it now."""
    now = clock.now()
    counts = await ledger.number_counts(taxpayer, channel, year_of(now))
    quota = await ledger.quota(taxpayer, channel, month_of(now))
    rate = await rate_of(ledger, taxpayer, now)
    left = counts.free + counts.leased
    bounds: dict[str, float | None] = {
        Bound.NUMBERS.value: _by_rate(left, rate.invoices),
        Bound.QUOTA.value: _by_rate(float(quota.left), float(rate.quota)),
    }
    debt = (await ledger.debts_of([(taxpayer, channel)])).get((taxpayer, channel))
    ends = clocks(now, debt, quota.valid_until, capabilities)
    bounds |= {bound.value: max(0.0, (end - now) / HOUR) for bound, end in ends.items()}
    bound, hours = min(((k, v) for k, v in bounds.items() if v is not None), key=lambda pair: pair[1])
    return Cover(
        taxpayer,
        round(hours, 2),
        bound,
        rate.invoices,
        left,
        str(quota.left),
        bounds,
        rate.source,
        rate.samples,
        str(rate.quota),
    )


async def rate_of(ledger: Ledger, taxpayer: str, now: datetime) -> Rate:
    """At most four rows of counted hours, or the invoices of one hour."""
    this_hour = whole_hour(now)
    history = await ledger.hours(taxpayer, [this_hour - WEEK * n for n in range(1, WEEKS + 1)])
    rate = rate_from(history)
    if rate is not None:
        return rate
    issued, amount = await ledger.issued_since(taxpayer, now - HOUR)
    return Rate(issued, amount, LAST_HOUR, 1)


def rate_from(history: Sequence[HourTotal]) -> Rate | None:
    """The 90th percentile of each, by nearest rank: never less than what was seen in nine of ten such hours. None where they
    say nothing."""
    invoices = percentile([hour.invoices for hour in history])
    if not invoices:
        return None
    return Rate(invoices, percentile([hour.quota for hour in history]) or Decimal(0), FOUR_WEEKS, len(history))


def percentile(values: Sequence[N], share: float = 0.9) -> N | None:
    """By nearest rank; None of nothing."""
    return sorted(values)[ceil(share * len(values)) - 1] if values else None


async def keep_hours(ledger: Ledger, taxpayer: str, now: datetime) -> bool:
    """Count the hours that are over. True when all are."""
    this_hour = whole_hour(now - SETTLED)
    return await ledger.keep_hours(taxpayer, whole_hour(now) - WEEK * WEEKS - HOUR, this_hour) == 0


def _by_rate(stock: float, per_hour: float) -> float | None:
    if stock <= 0:
        return 0.0
    return stock / per_hour if per_hour > 0 else None
