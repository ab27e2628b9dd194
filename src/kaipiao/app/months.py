"""What compares and confirms months, put together from the settings."""

from __future__ import annotations

from collections.abc import Mapping

from kaipiao.authority.channel import Channel
from kaipiao.clock import Clock
from kaipiao.issuing.calls import Calls
from kaipiao.issuing.month_end import MonthCloser, MonthDesk
from kaipiao.issuing.month_watch import MonthWatch
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.reconcile_policy import ReconcilePolicy
from kaipiao.issuing.reconciler import Reconciler
from kaipiao.issuing.shards import Shards
from kaipiao.ledger.ids import IdMaker
from kaipiao.ledger.port import Ledger
from kaipiao.settings import ReconcileSettings, Settings


def month_watch(
    settings: Settings,
    ledger: Ledger,
    channels: Mapping[str, Channel],
    calls: Calls,
    shards: Shards,
    clock: Clock,
    errands: Policy,
) -> MonthWatch:
    """Of every taxpayer on each of its channels."""
    policy = policy_of(settings.reconcile)
    pairs = [(seller.tax_number, name) for seller in settings.taxpayer for name in seller.channels]
    reconciler = Reconciler(ledger, channels, calls, clock, policy)
    desk = MonthDesk(ledger, clock)
    closer = MonthCloser(ledger, channels, calls, clock, desk)
    return MonthWatch(ledger, pairs, reconciler, desk, closer, shards, clock, IdMaker(clock.now), errands, policy)


def policy_of(settings: ReconcileSettings) -> ReconcilePolicy:
    return ReconcilePolicy(
        hour=settings.hour,
        list_days_this_month=tuple(settings.list_days_this_month),
        list_days_past_month=tuple(settings.list_days_past_month),
        stuck_seconds=settings.stuck_seconds,
        warn_days=tuple(settings.warn_days),
        confirm=settings.confirm,
        confirm_day=settings.confirm_day,
        round_seconds=settings.round_seconds,
    )
