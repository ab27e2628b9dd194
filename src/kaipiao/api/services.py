"""What the API is given to work with; `app` puts it together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from kaipiao.access.refusals import Refusals
from kaipiao.access.strongbox import AccountKeys, KeyOfThisProcess
from kaipiao.access.tokens import Tokens
from kaipiao.api.door.admission import Admission
from kaipiao.api.door.body_pace import BodyPace
from kaipiao.api.door.rates import Rates
from kaipiao.clock import Clock, SystemClock
from kaipiao.delivery.port import Notifier
from kaipiao.issuing.cover import Cover
from kaipiao.issuing.issuer import Issuer
from kaipiao.issuing.mode_controller import ModeController
from kaipiao.issuing.questions import Questions
from kaipiao.ledger.audit import TrailReport
from kaipiao.ledger.port import Ledger
from kaipiao.operations.clock_watch import ClockWatch, unwatched
from kaipiao.operations.degradation.stale_reads import StaleReads
from kaipiao.operations.degradation.state import Degradation, undegraded
from kaipiao.operations.dependencies.heartbeats import Heartbeats, no_hearts
from kaipiao.operations.metrics import Metrics
from kaipiao.operations.scrape import Scrape
from kaipiao.seal.sm2 import Sm2PublicKey
from kaipiao.settings import AccessSettings, DegradeSettings, ServerSettings


@dataclass(frozen=True, slots=True)
class Readiness:
    """`reasons`: stable codes of what is missing; empty means ready."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Services:
    """`taxpayers`: the sellers of this installation, in the order of the settings."""

    issuer: Issuer
    ledger: Ledger
    tokens: Tokens
    taxpayers: tuple[str, ...]
    environment: str
    node: str
    body_limit: int
    readiness: Callable[[], Awaitable[Readiness]]
    cover: Callable[[str], Awaitable[Cover]]
    modes: ModeController
    stale_reads: StaleReads
    audit: Callable[[], Awaitable[TrailReport]]
    public_key: Callable[[str], Sm2PublicKey]  # of a seal's key id
    rates: Rates = field(default_factory=lambda: Rates(ServerSettings().requests_per_second))
    clock: Clock = field(default_factory=SystemClock)
    questions: Questions = field(default_factory=lambda: Questions({}, {}, SystemClock()))
    scrape: Scrape = field(default_factory=lambda: Scrape(Metrics()))
    refusals: Refusals = field(default_factory=Refusals)
    keep_answers: timedelta = timedelta(hours=ServerSettings().idempotency_hours)
    admission: Admission = field(default_factory=Admission)
    body_pace: BodyPace = field(default_factory=BodyPace)
    tenants: Mapping[str, str] = field(default_factory=dict)  # by taxpayer, where the settings name one
    access: AccessSettings = field(default_factory=AccessSettings)
    account_keys: AccountKeys = field(default_factory=KeyOfThisProcess)
    wall_clock: Clock = field(default_factory=SystemClock)  # real time, also beside a sandbox
    notifiers: Mapping[str, Notifier] = field(default_factory=dict)  # channels of alarms, by name
    clock_watch: ClockWatch = field(default_factory=unwatched)
    heartbeats: Heartbeats = field(default_factory=no_hearts)
    degradation: Degradation = field(default_factory=undegraded)
    reads: Rates = field(default_factory=lambda: Rates(DegradeSettings().reads_per_second))  # at L3
