"""Is our clock right enough to issue by? Pure: what sources say goes in, a verdict comes out.

A wrong clock puts an invoice into the wrong month, takes a number of the wrong year, or dates it into the bureau's future.
So a small deviation warns, a large one stops, and near a turn of the month even a known small one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaipiao.clock import month_of
from kaipiao.errors import ClockUnsound
from kaipiao.language import Text


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source says: our clock is ahead of the true time by `low` to `high` seconds (behind: negative)."""

    source: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClockStanding:
    """What the sources say together. `low`, `high` as in `Reading`, None when nobody says anything or no majority agrees.
    `agreeing`, `dissenting`: names of sources."""

    low: float | None = None
    high: float | None = None
    agreeing: tuple[str, ...] = ()
    dissenting: tuple[str, ...] = ()

    @property
    def skew(self) -> float | None:
        """Seconds that our clock is certainly off: the end of the interval next to 0; 0.0 when it may be right."""
        if self.low is None or self.high is None:
            return None
        return self.low if self.low > 0 else min(self.high, 0.0)


def agree(readings: Sequence[Reading]) -> ClockStanding:
    """The interval on which most sources agree (Marzullo's algorithm, as in RFC 5905 §11.2.1). More than half must: of two
    that contradict each other nothing follows."""
    if not readings:
        return ClockStanding()
    best, low, high = 0, 0.0, 0.0
    for edge in sorted({reading.low for reading in readings}):
        there = [reading for reading in readings if reading.low <= edge <= reading.high]
        if len(there) > best:
            best, low, high = len(there), edge, min(reading.high for reading in there)
    names = [r.source for r in readings if r.low <= low <= r.high]
    others = tuple(r.source for r in readings if r.source not in names)
    if 2 * best <= len(readings):
        return ClockStanding(dissenting=tuple(reading.source for reading in readings))
    return ClockStanding(low, high, tuple(names), others)


@dataclass(frozen=True, slots=True)
class ClockLimits:
    """Seconds. `warn`: P35. `lead`, `lag`: from so far ahead or behind on nothing is issued."""

    warn: float = 0.2
    lead: float = 5.0
    lag: float = 300.0


class ClockGate:
    """Asked for every order. Holds what the sources said last; before they say anything it lets everything pass."""

    def __init__(self, limits: ClockLimits | None = None, *, judges: bool = True) -> None:
        """`judges`: false where our clock is a sandbox's; sources of real time have nothing to say of it."""
        self.limits = limits or ClockLimits()
        self.judges = judges
        self.standing = ClockStanding()

    @property
    def warns(self) -> bool:
        skew = self.standing.skew
        return self.judges and skew is not None and abs(skew) > self.limits.warn

    @property
    def stops(self) -> bool:
        skew = self.standing.skew
        return self.judges and skew is not None and (skew > self.limits.lead or -skew > self.limits.lag)

    def check(self, now: datetime) -> None:
        """Raises `ClockUnsound` when nothing may be issued at `now` of our clock."""
        skew = self.standing.skew
        if skew is None or not self.warns:
            return
        if self.stops:
            raise ClockUnsound(_off(skew), skew_seconds=round(skew, 3), sources=list(self.standing.agreeing))
        true = now - timedelta(seconds=skew)
        if month_of(true) != month_of(now):
            raise ClockUnsound(_other_month(skew), skew_seconds=round(skew, 3), sources=list(self.standing.agreeing))


def _off(skew: float) -> Text:
    way_zh, way_en = ("快", "ahead") if skew > 0 else ("慢", "behind")
    return Text(
        f"本机时钟{way_zh}了至少 {abs(skew):.1f} 秒，超出允许的范围。",
        f"This machine's clock is {way_en} by at least {abs(skew):.1f} s, more than is allowed.",
    )


def _other_month(skew: float) -> Text:
    return Text(
        f"本机时钟偏差 {abs(skew):.1f} 秒，此刻不能确定发票属于哪个月；跨过月界后自动恢复。",
        f"This machine's clock is off by {abs(skew):.1f} s, and just now the month of an invoice is not certain; it goes on by"
        " itself when the turn of the month is past.",
    )
