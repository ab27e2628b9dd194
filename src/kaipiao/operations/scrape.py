"""One answer of `/metrics`: everything that was counted and everything that is looked up, in the form that is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from kaipiao.operations import catalogue
from kaipiao.operations.figures import gauge
from kaipiao.operations.metrics import Metrics

OPENMETRICS = "application/openmetrics-text"
PLAIN = "text/plain"


@dataclass(frozen=True, slots=True)
class Page:
    content: bytes
    content_type: str


async def _nothing() -> list[Metric]:
    return []


class Scrape:
    """The metrics of a platform as text. `figures` gives what is looked up."""

    def __init__(self, metrics: Metrics, figures: Callable[[], Awaitable[list[Metric]]] = _nothing) -> None:
        self.metrics = metrics
        self._figures = figures

    async def page(self, accept: str | None, may_see: Callable[[str], bool]) -> Page:
        """`accept`: the header. `may_see`: which taxpayers' series the caller may read; the others are left out."""
        figures = await self._figures()
        gauges = []
        for entry, value in self.metrics.gauges.items():
            family = gauge(entry)
            family.add_metric((), value())
            gauges.append(family)
        for entry, values in self.metrics.by_class.items():
            family = gauge(entry)
            for name, number in values().items():
                family.add_metric((name,), number)
            gauges.append(family)
        opened = gauge(catalogue.BREAKER_OPEN)
        for state in self.metrics.breakers():
            opened.add_metric((state.channel, state.endpoint), 1.0 if state.open else 0.5 * state.slow)
        gauges.append(opened)
        seen = _Seen(self.metrics.registry, [*gauges, *figures], may_see)
        return await asyncio.to_thread(_text, seen, accept)


class _Seen(Collector):
    """What one caller sees."""

    def __init__(self, registry: Collector, looked_up: Sequence[Metric], may_see: Callable[[str], bool]) -> None:
        self._registry = registry
        self._looked_up = looked_up
        self._may_see = may_see

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()
        for family in self._looked_up:
            shown = Metric(family.name, family.documentation, family.type, family.unit)
            shown.samples = [s for s in family.samples if self._may_see_sample(s.labels)]
            yield shown

    def _may_see_sample(self, labels: dict[str, str]) -> bool:
        return "taxpayer" not in labels or self._may_see(labels["taxpayer"])


def _text(seen: _Seen, accept: str | None) -> Page:
    if wants_plain(accept):
        return Page(generate_latest(seen), CONTENT_TYPE_PLAIN_0_0_4)
    content: bytes = openmetrics.generate_latest(seen)  # type: ignore[no-untyped-call]
    return Page(content, openmetrics.CONTENT_TYPE_LATEST)


def wants_plain(accept: str | None) -> bool:
    """Does the header `Accept` prefer the older text format? OpenMetrics unless it does (RFC 9110 12.5.1)."""
    if not accept:
        return False
    ranges = [_range(part) for part in accept.split(",")]
    plain = _weight(ranges, PLAIN, "text/*")
    return plain > _weight(ranges, OPENMETRICS, "application/*")


def _weight(ranges: Sequence[tuple[str, float]], exact: str, wide: str) -> float:
    """The highest weight of the most precise range that matches."""
    for name in (exact, wide, "*/*"):
        weights = [weight for found, weight in ranges if found == name]
        if weights:
            return max(weights)
    return 0.0


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            return name, _quality(value.strip())
    return name, 1.0


def _quality(value: str) -> float:
    """0 to 1; a weight that is none counts as the least."""
    digits = value.replace(".", "", 1)
    return min(1.0, float(value)) if digits.isascii() and digits.isdigit() and len(value) <= 5 else 0.0
