"""What is looked up at the moment of a scrape: queues, numbers, quota, cover, readiness, certificates.

A look costs the ledger a few queries for each taxpayer, so it is taken at most once a second, and never waits long: when
the ledger does not answer, its figures are missing and everything else is told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal

from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric

from kaipiao.clock import Clock
from kaipiao.errors import KaipiaoError
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.cover import Cover
from kaipiao.issuing.modes import Mode
from kaipiao.ledger.pooling import Pooled, SessionCounts
from kaipiao.ledger.port import Ledger
from kaipiao.operations import catalogue
from kaipiao.operations.catalogue import Entry
from kaipiao.operations.certificates import Certificates
from kaipiao.operations.metrics import Metrics

log = logging.getLogger(__name__)
FRESH = 1.0  # seconds of real time that a look is good for
PATIENCE = 2.0  # seconds of real time that the ledger is waited for
MOST_TAXPAYERS = 200  # that have series of their own


class Figures:
    """Looks at the services of one platform."""

    def __init__(
        self,
        metrics: Metrics,
        ledger: Ledger,
        taxpayers: Sequence[str],
        cover: Callable[[str], Awaitable[Cover]],
        ready: Callable[[], Awaitable[bool]],
        clock: Clock,
        certificates: Certificates,
        build: dict[str, str],
        modes: Callable[[], Mapping[str, Mode]] = dict,
    ) -> None:
        """`build`: version, node, environment. `modes`: of each channel."""
        self._modes = modes
        self._metrics = metrics
        self._ledger = ledger
        self._taxpayers = taxpayers[:MOST_TAXPAYERS]
        self._left_out = len(taxpayers) - len(self._taxpayers)
        self._cover = cover
        self._ready = ready
        self._clock = clock
        self._certificates = certificates
        self._build = build
        self._looking = asyncio.Lock()
        self._seen: list[Metric] = []
        self._seen_at = -FRESH

    async def families(self) -> list[Metric]:
        """The latest look; a new one when it is older than a second. Never raises for what the ledger did."""
        async with self._looking:
            if time.monotonic() >= self._seen_at + FRESH:
                self._seen = await self._look()
                self._seen_at = time.monotonic()
            return self._seen

    async def _look(self) -> list[Metric]:
        families = _Families()
        families.info(catalogue.BUILD, self._build)
        families.add(catalogue.LEFT_OUT, (), self._left_out)
        for channel, now in self._modes().items():
            for mode in Mode:
                families.add(catalogue.MODES, (channel, mode.value), float(mode is now))
        if isinstance(self._ledger, Pooled):
            _add_sessions(families, self._ledger.sessions())
        with self._missing_if_it_fails():
            for file, left in (await asyncio.to_thread(self._certificates.seconds_left)).items():
                families.add(catalogue.CERTIFICATES, (file.channel, file.certificate), left)
        with self._missing_if_it_fails():
            async with asyncio.timeout(PATIENCE):
                families.add(catalogue.READY, (), float(await self._ready()))
                for taxpayer in self._taxpayers:
                    await self._look_at(taxpayer, families)
        return families.all()

    @contextmanager
    def _missing_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except (KaipiaoError, TimeoutError) as error:
            self._metrics.look_failed()
            log.warning("the figures are not whole", extra={"cause": type(error).__name__})

    async def _look_at(self, taxpayer: str, families: _Families) -> None:
        counts = await self._ledger.state_counts(taxpayer)
        for state in State:
            families.add(catalogue.INVOICES, (taxpayer, state.value), counts.get(state, 0))
        cover = await self._cover(taxpayer)
        families.add(catalogue.NUMBERS_LEFT, (taxpayer,), cover.numbers_left)
        families.add(catalogue.QUOTA_LEFT, (taxpayer,), float(Decimal(cover.quota_left)))
        families.add(catalogue.COVER, (taxpayer, cover.bound), cover.hours * 3600)
        for bound, hours in cover.bounds.items():
            if hours is not None:
                families.add(catalogue.COVER_BOUNDS, (taxpayer, bound), hours * 3600)
        oldest = await self._ledger.oldest_debt(taxpayer)
        age = 0.0 if oldest is None else (self._clock.now() - oldest).total_seconds()
        families.add(catalogue.DEBT_AGE, (taxpayer,), max(0.0, age))


def _add_sessions(families: _Families, counts: SessionCounts) -> None:
    families.add(catalogue.SESSIONS, ("idle",), counts.idle)
    families.add(catalogue.SESSIONS, ("used",), counts.used)
    families.add(catalogue.SESSIONS_MOST, (), counts.most)
    families.add(catalogue.SESSIONS_WAITING, (), counts.waiting)


class _Families:
    """Gauge families in the making."""

    def __init__(self) -> None:
        self._families: dict[Entry, Metric] = {}

    def add(self, entry: Entry, labels: Sequence[str], value: float) -> None:
        family = self._families.setdefault(entry, gauge(entry))
        family.add_sample(entry.name, dict(zip(entry.labels, labels, strict=True)), value)

    def info(self, entry: Entry, labels: dict[str, str]) -> None:
        self._families[entry] = InfoMetricFamily(entry.name, entry.help, value=labels)

    def all(self) -> list[Metric]:
        return list(self._families.values())


def gauge(entry: Entry) -> GaugeMetricFamily:
    """An empty family of this entry."""
    return GaugeMetricFamily(entry.name, entry.help, labels=entry.labels, unit=entry.unit)
