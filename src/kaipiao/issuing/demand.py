"""What will be needed of numbers and quota, hour by hour (R7).

The rate of an hour is the 90th percentile, over four weeks, of this weekday's hour. Where nothing of that hour was ever
counted it is that of the last hour. Nights are quiet and days are not: so stock is followed through the coming hours, each
with its own rate, and never through the night's rate into the day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import TypeVar

from kaipiao.ledger.continuity import HOUR, HourTotal, whole_hour
from kaipiao.ledger.port import Ledger

WEEKS = 4
WEEK = timedelta(days=7)
BACK = tuple(WEEK * n for n in range(1, WEEKS + 1))
HOURS = WEEK // HOUR
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
class Demand:
    """The rates of this hour and of the coming ones, after which it is the same again. `gone`: how much of this hour is over,
    0 <= gone < 1."""

    hours: tuple[Rate, ...]
    gone: float

    @property
    def now(self) -> Rate:
        return self.hours[0]

    def numbers_last(self, stock: int) -> float | None:
        """Hours until so many numbers are used; None: never."""
        return lasts(stock, [hour.invoices for hour in self.hours], self.gone)

    def quota_lasts(self, stock: Decimal) -> float | None:
        return lasts(float(stock), [float(hour.quota) for hour in self.hours], self.gone)

    def until(self, hours: float) -> tuple[int, Decimal]:
        """Numbers and quota that so many hours from now on take."""
        invoices = needed([hour.invoices for hour in self.hours], self.gone, hours)
        quota = needed([float(hour.quota) for hour in self.hours], self.gone, hours)
        return ceil(invoices), Decimal(str(quota)).quantize(Decimal("0.01"))


async def demand_of(ledger: Ledger, taxpayer: str, now: datetime, hours: int = HOURS) -> Demand:
    """By four weeks of counted hours and the invoices of the last one. `hours`: so many to come, a week at most; whole days,
    so that the same again begins at the same time of the day."""
    this_hour = whole_hour(now)
    coming = [this_hour + HOUR * n for n in range(hours)]
    counted = await ledger.hours(taxpayer, [hour - back for hour in coming for back in BACK])
    issued, amount = await ledger.issued_since(taxpayer, now - HOUR)
    last = Rate(issued, amount, LAST_HOUR, 1)
    return Demand(rates({total.hour: total for total in counted}, coming, last), (now - this_hour) / HOUR)


def rates(counted: Mapping[datetime, HourTotal], coming: Sequence[datetime], last: Rate) -> tuple[Rate, ...]:
    """The rate of each coming hour, the present one first. Where the present hour's history says that nothing is sold now
    although something was in the last hour, history does not know this day: none of its empty hours is believed."""
    found = [rate_from(counted, hour) for hour in coming]
    now = found[0]
    if now is None or not now.invoices:
        found[0] = last
        if last.invoices:
            found = [None if rate is not None and not rate.invoices else rate for rate in found]
    return tuple(rate or last for rate in found)


def rate_from(counted: Mapping[datetime, HourTotal], hour: datetime) -> Rate | None:
    """The 90th percentile of each, by nearest rank, over those of the four weeks before that were counted, an hour without
    sales being 0; None where none was."""
    samples = [one for back in BACK if (one := counted.get(hour - back)) is not None]
    invoices = percentile([sample.invoices for sample in samples])
    quota = percentile([sample.quota for sample in samples])
    if invoices is None or quota is None:
        return None
    return Rate(invoices, quota, FOUR_WEEKS, len(samples))


def percentile(values: Sequence[N], share: float = 0.9) -> N | None:
    """By nearest rank: never less than what was seen in nine of ten; None of nothing."""
    return sorted(values)[ceil(share * len(values)) - 1] if values else None


def lasts(stock: float, rates: Sequence[float], gone: float) -> float | None:
    """Hours until `stock` is used at these rates, which come again and again; None: never."""
    if stock <= 0:
        return 0.0
    whole = sum(rates)
    if whole <= 0:
        return None
    left = stock + rates[0] * gone  # as if this hour began now
    rounds = max(0, ceil(left / whole) - 1)
    left -= rounds * whole
    for passed, rate in enumerate(rates):
        if left <= rate and rate > 0:
            return rounds * len(rates) + passed + left / rate - gone
        left -= rate
    return (rounds + 1) * len(rates) - gone  # what rounding left over


def needed(rates: Sequence[float], gone: float, hours: float) -> float:
    """What so many hours take."""
    rounds, rest = divmod(hours + gone, len(rates))
    whole = int(rest)
    part = sum(rates[:whole]) + rates[whole % len(rates)] * (rest - whole)
    return max(0.0, rounds * sum(rates) + part - rates[0] * gone)
