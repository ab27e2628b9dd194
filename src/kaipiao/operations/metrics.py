"""The metrics of one platform, in a registry of its own. May be told from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector

from kaipiao.authority.channel import Timeline
from kaipiao.issuing.endpoints import EndpointState
from kaipiao.operations import catalogue
from kaipiao.operations.catalogue import Entry

# Known where there is a server that listens; without one there is nothing of them.
OF_A_SERVER = (catalogue.CONNECTIONS, catalogue.CONNECTIONS_LIMIT, catalogue.LOOP_LAG)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class LogInResult(StrEnum):
    """How an attempt to sign in ended."""

    OK = "ok"
    REFUSED = "refused"
    LOCKED = "locked"
    BUSY = "busy"


def _nothing() -> float:
    return 0.0


class Metrics:
    """What is counted as it happens. `gauges`: what is read at the moment of a scrape, by entry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.in_flight = 0  # on the event loop
        self.gauges: dict[Entry, Callable[[], float]] = {
            catalogue.IN_FLIGHT: lambda: self.in_flight,
            catalogue.THREADS: threading.active_count,
            catalogue.OUTBOX_AGE: _nothing,
            **dict.fromkeys(OF_A_SERVER, _nothing),
        }
        self.by_class: dict[Entry, Callable[[], Mapping[str, float]]] = {  # entries with one label
            catalogue.ALARMS_OPEN: lambda: {}
        }
        self.breakers: Callable[[], tuple[EndpointState, ...]] = tuple  # read at the moment of a scrape
        self._requests = self._histogram(catalogue.REQUESTS)
        self._known: dict[tuple[str, str, int], Histogram] = {}
        self._token_refusals = self._counter(catalogue.TOKEN_REFUSALS)
        self._log_ins = self._counter(catalogue.LOG_INS)
        for result in LogInResult:  # from 0 on: a first failure is a rise
            self._log_ins.labels(result.value)
        self._deprecated = self._counter(catalogue.DEPRECATED)
        self._calls = self._counter(catalogue.WIRE_CALLS)
        self._call_seconds = self._histogram(catalogue.WIRE_CALL_SECONDS)
        self._phases = self._histogram(catalogue.WIRE_PHASES)
        self._cut = self._counter(catalogue.WIRE_CUT)
        self._sent = self._counter(catalogue.WIRE_SENT)
        self._uploaded = self._counter(catalogue.UPLOADED)
        self._seals = self._histogram(catalogue.SEALS)
        self._commits = self._histogram(catalogue.COMMITS)
        self._groups = self._histogram(catalogue.GROUPS)
        self._failures = self._counter(catalogue.LOOK_FAILURES)
        self._messages = self._counter(catalogue.MESSAGES)
        self._breaker_opened = self._counter(catalogue.BREAKER_OPENED)
        self._probes = self._counter(catalogue.BREAKER_PROBES)
        self._orders_refused = self._counter(catalogue.ORDERS_REFUSED)
        self._connections_refused = self._counter(catalogue.CONNECTIONS_REFUSED)
        self._connections_cut = self._counter(catalogue.CONNECTIONS_CUT)

    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is a template of the application's, never a path."""
        key = (method, route, status // 100)
        series = self._known.get(key)
        if series is None:
            shown = method if method in METHODS else "other"
            series = self._requests.labels(shown, route, f"{status // 100}xx")
            if shown == method:  # what is remembered is as bounded as the series are
                self._known[key] = series
        series.observe(seconds)

    def token_refused(self, code: str) -> None:
        """`code` is one of our errors'."""
        self._token_refusals.labels(code).inc()

    def log_in(self, result: LogInResult) -> None:
        self._log_ins.labels(result.value).inc()

    def deprecated_used(self, route: str) -> None:
        """`route`: method and template of a route that will go."""
        self._deprecated.labels(route).inc()

    def call_ended(self, channel: str, service: str, outcome: str, seconds: float, timeline: Timeline | None) -> None:
        """`timeline`: of the call's last exchange; None when nothing was answered."""
        self._calls.labels(channel, service, outcome).inc()
        self._call_seconds.labels(channel, service).observe(seconds)
        if timeline is not None:
            self._phases_of(channel, timeline)

    def uploaded(self, channel: str, outcome: str, invoices: int) -> None:
        self._uploaded.labels(channel, outcome).inc(invoices)

    def breaker_opened(self, channel: str, endpoint: str) -> None:
        self._breaker_opened.labels(channel, endpoint).inc()

    def probed(self, channel: str, endpoint: str, result: str) -> None:
        """`result` is an enumeration of the code."""
        self._probes.labels(channel, endpoint, result).inc()

    def sealed(self, seconds: float) -> None:
        self._seals.observe(seconds)

    def committed(self, operations: int, seconds: float) -> None:
        """One group of operations was committed."""
        self._commits.observe(seconds)
        self._groups.observe(operations)

    def order_refused(self, reason: str) -> None:
        """For load. The reasons are an enumeration of the code, here and below."""
        self._orders_refused.labels(reason).inc()

    def connection_refused(self, reason: str) -> None:
        self._connections_refused.labels(reason).inc()

    def connection_cut(self, reason: str) -> None:
        self._connections_cut.labels(reason).inc()

    def message_tried(self, channel: str, outcome: str) -> None:
        """`channel` is a name of the settings, `outcome` one of an enumeration."""
        self._messages.labels(channel, outcome).inc()

    def look_failed(self) -> None:
        self._failures.inc()

    def _phases_of(self, channel: str, timeline: Timeline) -> None:
        for span in timeline.spans:
            if span.end is None:
                self._cut.labels(channel, span.phase.value).inc()
            else:
                self._phases.labels(channel, span.phase.value).observe(span.end - span.start)
        self._sent.labels(channel).inc(timeline.bytes_sent)

    def _counter(self, entry: Entry) -> Counter:
        return Counter(entry.name, entry.help, entry.labels, unit=entry.unit, registry=self.registry)

    def _histogram(self, entry: Entry) -> Histogram:
        return Histogram(
            entry.name, entry.help, entry.labels, unit=entry.unit, registry=self.registry, buckets=entry.buckets
        )
