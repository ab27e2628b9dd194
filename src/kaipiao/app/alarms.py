"""Who is told of what, on one platform: the desk of alarms, the outbox, the channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kaipiao.app.secret_file import secret
from kaipiao.clock import Clock, SystemClock
from kaipiao.delivery.channels import notifier_of
from kaipiao.delivery.outbox import Outbox
from kaipiao.delivery.port import Notifier
from kaipiao.issuing.node import Loop
from kaipiao.ledger.port import Ledger
from kaipiao.operations import catalogue
from kaipiao.operations.alarms.desk import AlarmDeskWork
from kaipiao.operations.alarms.expiry import Expiries
from kaipiao.operations.alarms.sorts import Severity, sorts
from kaipiao.operations.alarms.telling import Manner
from kaipiao.operations.alarms.words import Words
from kaipiao.operations.certificates import Certificates
from kaipiao.operations.metrics import Metrics
from kaipiao.settings import AlarmSettings, Settings

REST = 5.0  # real seconds at the longest until a ledger that failed is asked again


@dataclass(frozen=True, slots=True)
class Alarms:
    desk: AlarmDeskWork
    outbox: Outbox

    def loops(self) -> list[Loop]:
        """By real time: people wait by it."""
        return [
            Loop("alarms", self.desk.look, SystemClock(), REST),
            Loop("outbox", self.outbox.look, SystemClock(), REST),
        ]


def notifiers_of(directory: Path, settings: AlarmSettings) -> dict[str, Notifier]:
    """Raises `SettingsFault`."""
    return {name: notifier_of(name, one, directory, secret) for name, one in settings.channel.items()}


def alarms_of(
    settings: Settings,
    ledger: Ledger,
    notifiers: Mapping[str, Notifier],
    clock: Clock,
    metrics: Metrics,
    certificates: Certificates,
) -> Alarms:
    """With the metrics told."""
    ours, wall = settings.alarm, SystemClock()
    routes: dict[str, list[str]] = ours.routes.model_dump()
    used = tuple(str(one) for one in reversed(Severity) if routes[one])
    manner = Manner(timedelta(seconds=ours.gather_s), timedelta(seconds=ours.pause_s), used)
    words = Words(settings.environment, settings.node)
    expiries = Expiries(lambda: hours_left(certificates))
    desk = AlarmDeskWork(ledger, settings.node, sorts(), manner, words, clock, further=expiries.events, wall=wall)
    outbox = Outbox(
        ledger,
        settings.node,
        notifiers,
        routes,
        timedelta(hours=ours.give_up_hours),
        clock,
        wall,
        may_send=lambda: desk.holds,
        count=metrics.message_tried,
    )
    metrics.by_class[catalogue.ALARMS_OPEN] = lambda: {one: desk.open.get(one, 0) for one in Severity}
    metrics.gauges[catalogue.OUTBOX_AGE] = outbox.age
    return Alarms(desk, outbox)


def hours_left(certificates: Certificates) -> dict[str, float]:
    """By the name that an alarm calls it."""
    return {f"{one.channel}/{one.certificate}": left / 3600 for one, left in certificates.seconds_left().items()}
