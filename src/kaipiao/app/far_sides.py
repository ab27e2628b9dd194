"""What the platform knows of the addresses of its far sides: their breakers, as the settings and the channels have them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from kaipiao.authority.channel import Channel
from kaipiao.authority.leqi import LeqiChannel
from kaipiao.clock import Clock
from kaipiao.issuing.breaker import BreakerRules
from kaipiao.issuing.breakers import Breakers, FarSide
from kaipiao.issuing.notices import Notices
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.port import Ledger
from kaipiao.operations.metrics import Metrics
from kaipiao.operations.watched_channel import WatchedChannel
from kaipiao.settings import Settings


def far_side(channel: LeqiChannel, watched: WatchedChannel) -> FarSide:
    return FarSide(channel.endpoints, lambda endpoint: watched.probed(channel.health_at(endpoint)))


def breakers_of(
    settings: Settings,
    channels: Mapping[str, Channel],
    ledger: Ledger,
    clock: Clock,
    policy: Policy,
    notices: Notices,
    metrics: Metrics,
    held: Callable[[], Collection[str]],
    fars: Mapping[str, FarSide],
) -> Breakers:
    """`held`: the taxpayers that this node works for."""
    breakers = Breakers(
        channels,
        clock,
        policy,
        notices,
        BreakerRules(**settings.breaker.model_dump()),
        fars,
        ledger.oldest_debts,
        held,
    )
    breakers.on_open.append(lambda channel, endpoint, _cause: metrics.breaker_opened(channel, endpoint))
    breakers.on_probe.append(lambda channel, endpoint, showed: metrics.probed(channel, endpoint, showed.value))
    metrics.breakers = breakers.states
    return breakers
