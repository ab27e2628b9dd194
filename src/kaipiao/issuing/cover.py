"""How many hours can we issue with nobody answering? The figure always comes with the bound that binds (R7).

Numbers and quota are followed through the coming hours, each by its own rate (`demand`); the rate that is shown is that of
the present hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import Clock, month_of, year_of
from kaipiao.issuing.budgets import Bound
from kaipiao.issuing.deadlines import clocks
from kaipiao.issuing.demand import LAST_HOUR, WEEK, WEEKS, demand_of
from kaipiao.ledger.continuity import HOUR, whole_hour
from kaipiao.ledger.port import Ledger

FORESEEN = 72  # hours: longer than the 48 h that bind at the latest
SETTLED = timedelta(minutes=5)  # after an hour, until nothing of it is on its way into the ledger any more


@dataclass(frozen=True, slots=True)
class Cover:
    """`hours` >= 0; `bound`: numbers, quota, upload_window, quota_validity, month_end, month_close or year_end;
    `bounds`: hours by each bound, None where nothing is ever taken. `rate_per_hour`, `rate_source`: of the present hour, see
    `Rate`."""

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
    demand = await demand_of(ledger, taxpayer, now, FORESEEN)
    rate = demand.now
    left = counts.free + counts.leased
    bounds: dict[str, float | None] = {
        Bound.NUMBERS.value: demand.numbers_last(left),
        Bound.QUOTA.value: demand.quota_lasts(quota.left),
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


async def keep_hours(ledger: Ledger, taxpayer: str, now: datetime) -> bool:
    """Count the hours that are over. True when all are."""
    this_hour = whole_hour(now - SETTLED)
    return await ledger.keep_hours(taxpayer, whole_hour(now) - WEEK * WEEKS - HOUR, this_hour) == 0
