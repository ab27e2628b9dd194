"""A data directory brought to life: what is opened when it starts is closed when it stops, in the opposite order."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from kaipiao import __version__
from kaipiao.access.keys import StoredAccountKeys, key_store, tenants_of, tokens_of
from kaipiao.access.notes import AccessNotes
from kaipiao.api.app import create
from kaipiao.api.door.admission import Admission, Bounds
from kaipiao.api.door.body_pace import BodyPace
from kaipiao.api.door.rates import Rates
from kaipiao.api.services import Readiness, Services
from kaipiao.app.alarms import alarms_of, notifiers_of
from kaipiao.app.channels import leqi_of, tls_of
from kaipiao.app.clocks import gate_of, watch_loop, watch_of
from kaipiao.app.dependencies import heartbeat_loop, heartbeats_of
from kaipiao.app.far_sides import breakers_of, far_side
from kaipiao.app.load import CoverLookedAt, degradation_of
from kaipiao.app.modes import controller_for, gate_for, mode_loop
from kaipiao.app.months import month_watch
from kaipiao.app.names import resolver_of
from kaipiao.app.outages import outage_loop
from kaipiao.app.replica import replica_loop, replica_watch_of
from kaipiao.app.secret_file import secret
from kaipiao.authority import followed_clock
from kaipiao.authority.channel import Channel
from kaipiao.authority.leqi import LeqiChannel
from kaipiao.authority.transport import Timeouts, Transport
from kaipiao.clock import Clock, FunctionClock, SystemClock, month_of, year_of
from kaipiao.delivery.port import Notifier
from kaipiao.errors import KaipiaoError, SettingsFault, WrongKek
from kaipiao.invoice.model import Party, Seller
from kaipiao.invoice.taxpayer import bureau_of
from kaipiao.issuing.breakers import FarSide
from kaipiao.issuing.calls import Calls
from kaipiao.issuing.cover import Cover, cover_of
from kaipiao.issuing.heads import head_is_sound, sign_heads
from kaipiao.issuing.issuer import Desk, Issuer
from kaipiao.issuing.node import Loop, Node
from kaipiao.issuing.notices import Notices
from kaipiao.issuing.numbers import NumberDesk
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.ports import cores, workers_on
from kaipiao.issuing.questions import Questions
from kaipiao.issuing.settler import Settler
from kaipiao.issuing.shards import Shards
from kaipiao.issuing.supply import Supply
from kaipiao.issuing.uploader import Uploader
from kaipiao.language import Text
from kaipiao.ledger.audit import TrailReport, read_trail
from kaipiao.ledger.ids import IdMaker
from kaipiao.ledger.port import Ledger, Taxpayer
from kaipiao.ledger.sqlite import SqliteLedger
from kaipiao.ledger.sqlite.files import DirectoryLock
from kaipiao.operations import catalogue
from kaipiao.operations.certificates import OF_STORE, CertificateFile, Certificates
from kaipiao.operations.degradation.stale_reads import StaleReads
from kaipiao.operations.figures import Figures
from kaipiao.operations.metrics import Metrics
from kaipiao.operations.scrape import Scrape
from kaipiao.operations.watched_channel import WatchedChannel
from kaipiao.operations.watched_sealing import WatchedSealer, WatchedWorkers
from kaipiao.seal.sm2 import Sm2PublicKey
from kaipiao.settings import NO_TENANT, STORED_KEY, ChannelSettings, ServerSettings, Settings, TaxpayerSettings

log = logging.getLogger(__name__)
SEALING_THREADS = 2
REVOCATIONS_REST = 1.0  # real seconds at the longest until revocations are looked for again in a ledger that failed
CLOCK_REFRESH = 1.0  # real seconds between looks at a followed clock


class Platform:
    """Started and stopped once. A start that fails has closed everything: the next one may be on the same directory."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.directory = directory
        self.settings = settings
        self._executor = ThreadPoolExecutor(SEALING_THREADS, thread_name_prefix="seal")
        self.metrics = Metrics()
        self._workers = WatchedWorkers(workers_on(cores(), self._executor, SEALING_THREADS))
        self.metrics.gauges[catalogue.SEAL_TASKS] = lambda: self._workers.tasks
        self.metrics.gauges[catalogue.SEAL_THREADS] = lambda: SEALING_THREADS
        self._keys = key_store(directory, settings)
        self._audit_sealer = self._keys.sealer(settings.keys.audit)
        self.tokens = tokens_of(directory, settings)
        self.ledger = self._make_ledger()
        self._policy = Policy(**settings.policy.model_dump())
        self._notices = Notices(self.ledger, settings.node)
        self._fars: dict[str, FarSide] = {}
        self._admission = Admission(_bounds(settings.server))
        self._degradation = degradation_of(settings.degrade, self._admission, self.ledger, settings.node)
        self._opened = AsyncExitStack()
        self._side_loops: list[Loop] = []
        self._notifiers: dict[str, Notifier] = {}

    async def start(self, *, issuing: bool = True) -> FastAPI:
        """Open the ledger, start issuing, give the HTTP application. Without `issuing` it is for looking only: nothing is
        sent, pulled or written into the trail that somebody may be about to audit."""
        self._issuing = issuing
        async with AsyncExitStack() as opened:
            await self._open_ledger(opened)
            database = self.settings.database
            self._replica = replica_watch_of(self.directory, database, self.ledger, self.settings.node, opened)
            self.clock = await self._clock(opened)
            self._clock_gate = gate_of(self.settings.clock)
            self._clock_watch = watch_of(self.settings.clock, self._clock_gate, self.ledger, self.settings.node)
            self._heartbeats = heartbeats_of(self.directory, self.settings, self.ledger, opened)
            self.names = resolver_of(self.directory, self.settings.dns, self._tell)
            opened.push_async_callback(self.names.close)
            self._channels = {name: self._channel(name, c, opened) for name, c in self.settings.channel.items()}
            self.node = self._make_node()
            await self._start_loops(opened)
            application = create(self._services())
            self._opened = opened.pop_all()
        return application

    async def stop(self) -> None:
        """Take no new orders, bring what is under way to its end, sign the trail, close the ledger. Whatever of it fails,
        everything is closed. Of a platform that did not start nothing is left to stop."""
        await self._opened.aclose()

    async def _open_ledger(self, opened: AsyncExitStack) -> None:
        opened.callback(self._executor.shutdown)
        if self.settings.database.kind == "postgresql":
            opened.callback(DirectoryLock(self.directory).release)  # SQLite's ledger takes it itself
        await self.ledger.open()
        opened.push_async_callback(self.ledger.close)

    async def _start_loops(self, opened: AsyncExitStack) -> None:
        """The node is the first to stop; heads are signed once more when nothing writes any longer."""
        await self.tokens.shared.take_up(self.ledger)  # before anybody is let in
        if not self._issuing:
            self.node.issuer.stopping = True
            await self.modes.look()
        else:
            await self.modes.open()  # before the first order
            self._side_loops.append(mode_loop(self.modes, self.breakers))
            await self.ledger.save_taxpayers([_row(t) for t in self.settings.taxpayer])
            await self.ledger.save_tenants(sorted(tenants_of(self.settings)), SystemClock().now())
            await self._start_alarms(opened)
            opened.push_async_callback(self._sign_heads)
            notes = AccessNotes(self.directory, self.tokens, self.clock, self.ledger.append_events)
            self._side_loops.append(watch_loop(self._clock_watch))
            self._side_loops.append(heartbeat_loop(self._heartbeats))
            self._side_loops.append(Loop("degradation", self._degradation.look, SystemClock()))
            if self._replica is not None:
                self._side_loops.append(replica_loop(self._replica, self._degradation, self.metrics))
            opened.push_async_callback(self._months.close, self._policy.stop_grace)
            self._side_loops.append(Loop("months", self._months.work, self.clock))
            self._side_loops.append(Loop("heads", self._sign_heads, self.clock))
            self._side_loops.append(Loop("access", notes.look, SystemClock()))
            self._side_loops.append(self._outages())
            self._side_loops.append(Loop("revocations", self._share_revocations, SystemClock(), REVOCATIONS_REST))
        for loop in self._side_loops:
            opened.push_async_callback(loop.stop, self._policy.stop_grace)
        if self._issuing:
            await self.node.start()
            opened.push_async_callback(self.node.stop)
        for loop in self._side_loops:  # what they see comes after `node.started`, which ends the alarms of before
            loop.start()

    def _outages(self) -> Loop:
        ours = (self._audit_sealer, self._public, self._workers, self.clock)
        return outage_loop(self.settings.outage, self.ledger, self._channels, self.node.leads, *ours)

    async def _start_alarms(self, opened: AsyncExitStack) -> None:
        """Before anything else writes events: none of them is missed."""
        self._notifiers = notifiers_of(self.directory, self.settings.alarm)
        alarms = alarms_of(
            self.settings, self.ledger, self._notifiers, self.clock, self.metrics, Certificates(self._certificate_files)
        )
        await alarms.desk.begin()
        opened.push_async_callback(alarms.desk.release)
        self._side_loops += alarms.loops()

    def _tell(self, kind: str, data: dict[str, str | int | bool | None]) -> None:
        """What the resolver says becomes an event."""
        self._notices.add(kind, self.clock.now(), **data)
        self.breakers.wake()

    async def _share_revocations(self) -> float:
        return await self.tokens.shared.look(self.ledger, SystemClock().now())

    def _make_ledger(self) -> Ledger:
        database = self.settings.database
        if database.kind == "sqlite":
            return SqliteLedger(self.directory, on_commit=self.metrics.committed)
        try:
            from kaipiao.ledger.postgresql import PostgresqlLedger  # noqa: PLC0415 — an extra that most do not install
        except ImportError as missing:
            raise SettingsFault(
                Text(
                    "没有安装 PostgreSQL 支持：pip install 'kaipiao[postgresql]'",
                    "PostgreSQL support is not installed: pip install 'kaipiao[postgresql]'",
                ),
                code="KP-SETTINGS-07",
            ) from missing
        return PostgresqlLedger(
            secret(self._path(database.url_file or "")),
            pool_min=database.pool_min,
            pool_max=database.pool_max,
            idle_s=database.idle_s,
            connect_timeout_s=database.connect_timeout_s,
            on_commit=self.metrics.committed,
        )

    async def audit(self) -> TrailReport:
        return await read_trail(self.ledger, lambda head: head_is_sound(head, self._audit_sealer))

    async def _clock(self, opened: AsyncExitStack) -> Clock:
        follow, through = self.settings.clock.follow, self.settings.clock.through
        if follow is None:
            return SystemClock()
        if through is None or through not in self.settings.channel:
            raise SettingsFault(Text("clock.through 须指明通道", "clock.through must name a channel"))
        transport = Transport(tls_of(self.directory, self.settings.channel[through], self._keys))
        opened.push_async_callback(transport.close)
        kept = followed_clock.KeptClock(self.directory / "clock.json")
        clock = FunctionClock(await followed_clock.first(transport, follow, kept))

        async def look() -> float:
            function = await followed_clock.ask(transport, follow)
            if function is not None and function != clock.function:
                clock.function = function
                kept.keep(function)
            return CLOCK_REFRESH

        self._side_loops.append(Loop("clock", look, SystemClock()))
        return clock

    def _channel(self, name: str, settings: ChannelSettings, opened: AsyncExitStack) -> Channel:
        speed = self.clock.function.speed if isinstance(self.clock, FunctionClock) else 1.0
        timeouts = Timeouts(**settings.timeouts.model_dump()).divided(speed)
        seals = {taxpayer.seal for taxpayer in self.settings.taxpayer}
        bureaus = {taxpayer.tax_number: bureau_of(taxpayer.region).code for taxpayer in self.settings.taxpayer}
        leqi = leqi_of(self.directory, name, settings, seals, self._public, bureaus)
        transport = Transport(tls_of(self.directory, settings, self._keys), timeouts, names=self.names)
        opened.push_async_callback(transport.close)
        channel = LeqiChannel(leqi, transport)
        opened.push_async_callback(channel.close)
        watched = WatchedChannel(channel, self.metrics, self._clock_watch.heard)
        self._fars[name] = far_side(channel, watched)
        return watched

    def _make_node(self) -> Node:
        settings, policy = self.settings, self._policy
        ids = IdMaker(self.clock.now)
        paces = {n: Pace(self.clock, c.capabilities.calls_per_second) for n, c in self._channels.items()}
        self._questions = Questions(self._channels, paces, self.clock)
        pairs = [(t.tax_number, name) for t in settings.taxpayer for name in t.channels]
        shards = Shards(self.ledger, settings.node, [t.tax_number for t in settings.taxpayer], policy)
        self.breakers = breakers_of(
            settings,
            self._channels,
            self.ledger,
            self.clock,
            policy,
            self._notices,
            self.metrics,
            shards.held,
            self._fars,
        )
        self._supply = Supply(self.ledger, self._channels, paces, shards, self.breakers, pairs, self.clock, policy)
        gate = gate_for(self.directory, settings, self.ledger, self._channels)
        far_sides = (self._channels, self.breakers, shards, self._supply)
        self.modes = controller_for(settings, self.ledger, gate, *far_sides, self.clock, self._clock_gate)
        numbers = NumberDesk(self.ledger, settings.node, policy, lambda key: self.node.fetch_stock(key[0]))
        issuer = Issuer(
            self.ledger,
            {t.tax_number: self._desk(t) for t in settings.taxpayer},
            numbers,
            self.clock,
            self._workers,
            ids,
            policy,
            refuse_reason=self._supply.refuse_reason,
            quota_ended=self._supply.quota_ended,
            clock_gate=self._clock_gate,
            on_quota_short=lambda taxpayer, _channel: self.node.fetch_stock(taxpayer),
            gate=gate,
        )
        far = (self.ledger, self._channels, paces, shards, self.breakers, self.clock)
        uploader = Uploader(*far, ids, settings.node, policy)
        settler = Settler(*far, policy)
        calls = Calls(*far[2:5])
        self._months = month_watch(settings, self.ledger, self._channels, calls, shards, self.clock, policy)
        workers = (shards, uploader, settler, self._supply)
        return Node(settings.node, self.ledger, issuer, numbers, *workers, self.clock, policy, self.breakers)

    def _desk(self, taxpayer: TaxpayerSettings) -> Desk:
        channel = taxpayer.channels[0]
        sealer = WatchedSealer(self._keys.sealer(taxpayer.seal), self.metrics)
        return Desk(_seller(taxpayer), channel, self._channels[channel].capabilities, sealer)

    def _services(self) -> Services:
        return Services(
            issuer=self.node.issuer,
            ledger=self.ledger,
            tokens=self.tokens,
            taxpayers=tuple(t.tax_number for t in self.settings.taxpayer),
            environment=self.settings.environment,
            node=self.settings.node,
            body_limit=self.settings.server.body_limit,
            readiness=self._readiness,
            cover=CoverLookedAt(self._cover, self._degradation).of,
            modes=self.modes,
            stale_reads=StaleReads(self.ledger, self._degradation, self._replica),
            audit=self.audit,
            public_key=self._public,
            rates=Rates(self.settings.server.requests_per_second),
            keep_answers=timedelta(hours=self.settings.server.idempotency_hours),
            admission=self._admission,
            body_pace=BodyPace(self.settings.server.body_s, self.settings.server.body_rate_min),
            tenants={t.tax_number: t.tenant for t in self.settings.taxpayer if t.tenant != NO_TENANT},
            clock=self.clock,
            questions=self._questions,
            clock_watch=self._clock_watch,
            heartbeats=self._heartbeats,
            degradation=self._degradation,
            reads=Rates(self.settings.degrade.reads_per_second),
            scrape=Scrape(self.metrics, self._figures().families),
            access=self.settings.access,
            account_keys=StoredAccountKeys(self.directory, self.settings),
            notifiers=self._notifiers,
        )

    def _figures(self) -> Figures:
        build = {"version": __version__, "node": self.settings.node, "environment": self.settings.environment}

        async def ready() -> bool:
            return not (await self._readiness()).reasons

        sellers = [t.tax_number for t in self.settings.taxpayer]
        certificates = Certificates(self._certificate_files)
        certificates.seconds_left()  # what is about to expire is in the log from the start on
        return Figures(
            self.metrics,
            self.ledger,
            sellers,
            self._cover,
            ready,
            self.clock,
            certificates,
            build,
            self.modes.by_channel,
        )

    def _certificate_files(self) -> Iterator[CertificateFile]:
        for name, channel in self.settings.channel.items():
            yield CertificateFile(name, "ca", self._path(channel.ca_file))
            if channel.stored_key is not None:
                yield CertificateFile(name, "client", self._keys.certificates_file(channel.stored_key))
            elif channel.client_certificate:
                yield CertificateFile(name, "client", self._path(channel.client_certificate))
        if self.settings.server.tls_certificate:
            yield CertificateFile("server", "server", self._path(self.settings.server.tls_certificate))
        for key_id in self._keys.certified():
            yield CertificateFile(OF_STORE, f"{STORED_KEY}{key_id}", self._keys.certificates_file(key_id))

    async def _readiness(self) -> Readiness:
        if not self._issuing:
            return Readiness(("not_running",))
        reasons = []
        now = self.clock.now()
        for taxpayer in self.settings.taxpayer:
            place = (taxpayer.tax_number, taxpayer.channels[0])
            counts = await self.ledger.number_counts(*place, year_of(now))
            if counts.free + counts.leased == 0:
                reasons.append(f"numbers:{taxpayer.tax_number}")
            if (await self.ledger.quota(*place, month_of(now))).left <= 0:
                reasons.append(f"quota:{taxpayer.tax_number}")
            if self._supply.refuse_reason(taxpayer.tax_number):
                reasons.append(f"standing:{taxpayer.tax_number}")
        if self._clock_gate.stops:
            reasons.append("clock")
        if self.node.issuer.stopping:
            reasons.append("stopping")
        return Readiness(tuple(reasons))

    async def _cover(self, taxpayer: str) -> Cover:
        channel = next(t.channels[0] for t in self.settings.taxpayer if t.tax_number == taxpayer)
        return await cover_of(self.ledger, taxpayer, channel, self._channels[channel].capabilities, self.clock)

    async def _sign_heads(self) -> float:
        try:
            await sign_heads(self.ledger, self._audit_sealer, self._workers, self.clock)
        except KaipiaoError as error:
            log.error("heads not signed", extra={"code": error.code})
        return self._policy.head_seconds

    def _public(self, key_id: str) -> Sm2PublicKey:
        try:
            public = self._keys.public(key_id)
        except WrongKek:  # the key-encryption key was changed while we run
            self._keys = key_store(self.directory, self.settings)
            public = self._keys.public(key_id)
        return Sm2PublicKey.from_spki_der(public)

    def _path(self, name: str) -> Path:
        return self.directory / name


def _bounds(server: ServerSettings) -> Bounds:
    return Bounds(**server.model_dump(include={field.name for field in fields(Bounds)}))


def _row(taxpayer: TaxpayerSettings) -> Taxpayer:
    return Taxpayer(taxpayer.tax_number, taxpayer.tenant, taxpayer.name, tuple(taxpayer.channels))


def _seller(taxpayer: TaxpayerSettings) -> Seller:
    bureau = bureau_of(taxpayer.region)
    party = Party(
        name=taxpayer.name,
        tax_number=taxpayer.tax_number,
        address=taxpayer.address,
        telephone=taxpayer.telephone,
        bank=taxpayer.bank,
        account=taxpayer.account,
    )
    return Seller(
        party=party,
        region=taxpayer.region,
        bureau_code=bureau.code,
        bureau_name=bureau.name,
        tag=bureau.tag,
        taxpayer_type=taxpayer.taxpayer_type,
        drawer=taxpayer.drawer,
    )
