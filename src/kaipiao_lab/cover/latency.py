"""How long a sealed invoice takes while the bureau is gone, beside how long it takes while it answers: same run, same load.

Phases take turns, so that what else the machine does falls on both. Seconds of outages are the bureau's clock, which runs
fast: it cannot be moved while nobody reaches the bureau.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.sales import Sales
from kaipiao_lab.shop import AnswerLog, Shop, percentile

START = "2026-11-03T09:00:00+08:00"
HOUR = 3600.0
MOST_MS, MOST_RATIO = 200.0, 1.2
# The whole bureau but its clock: it takes the call and says nothing, until the client gives up.
HANGS: list[dict[str, object]] = [{"kind": "hang", "seconds": [86_400, 86_400]}]


@dataclass(frozen=True, slots=True)
class Load:
    """`rate`: sales a second, over `tills` connections. `speed`: of the bureau's clock. `share`: how long the bureau answers
    before and again after an outage, of the outage's length."""

    rate: float
    tills: int
    speed: float
    share: float
    patience: float = 120.0  # real seconds until the bureau holds everything again


QUICK = Load(rate=60.0, tills=4, speed=4800.0, share=0.25)
FULL = Load(rate=60.0, tills=4, speed=480.0, share=0.5)


@dataclass(slots=True)
class Measured:
    """Milliseconds of every sale, by phase: `before` while the bureau answers, else the outage's name."""

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    refused: int = 0
    left_open: int = 0

    def p99(self, phase: str) -> float:
        return percentile(self.milliseconds[phase], 0.99)

    def sound(self) -> bool:
        """Nothing refused, everything at the bureau in the end, and every outage under 200 ms and 1.2 × the time before."""
        before = self.p99("before")
        outages = [self.p99(phase) for phase in self.milliseconds if phase != "before"]
        return not self.refused and not self.left_open and all(
            p99 < MOST_MS and p99 <= MOST_RATIO * before for p99 in outages
        )  # fmt: skip

    def as_dict(self) -> dict[str, object]:
        before = self.p99("before")
        phases = {
            phase: {
                "sales": len(took),
                "p99_ms": round(self.p99(phase), 2),
                "ratio": round(self.p99(phase) / before, 3),
            }
            for phase, took in self.milliseconds.items()
        }
        return {**phases, "refused": self.refused, "left_open": self.left_open}


class Proof:
    """One bench and its shop."""

    def __init__(self, bench: Bench, load: Load) -> None:
        self._bench = bench
        self._load = load
        self._log = AnswerLog(bench.directory / "answers.ndjson")
        self._phases = 0
        self.measured = Measured()

    def run(self) -> Measured:
        outages: list[tuple[str, float, Callable[[], None], Callable[[], None]]] = [
            ("killed_3h", 3 * HOUR, self._bench.bureau.kill, self._bench.restart_bureau),
            ("hanging_3h", 3 * HOUR, lambda: self._bench.set_faults(HANGS), lambda: self._bench.set_faults([])),
            ("refusing_20h", 20 * HOUR, lambda: self._refuse(20 * HOUR), lambda: self._bench.set_faults([])),
        ]
        self._sell("warm", HOUR)  # a first hour that nobody measures
        del self.measured.milliseconds["warm"]
        for name, seconds, begin, end in outages:
            self._sell("before", seconds * self._load.share)
            begin()
            self._sell(name, seconds)
            end()
            self.measured.left_open += self._bench.wait_settled(self._load.patience)
            self._sell("before", seconds * self._load.share)
        self.measured.left_open += self._bench.wait_settled(self._load.patience)
        self._log.close()
        return self.measured

    def _refuse(self, seconds: float) -> None:
        self._bench.set_faults([{"kind": "refuse", "seconds": [seconds, seconds]}])

    def _sell(self, phase: str, seconds: float) -> None:
        """At the load, for so many seconds of the bureau's clock."""
        real = seconds / self._load.speed
        self._phases += 1
        sales = Sales(self._bench.seller, self._phases, f"C{self._phases}")
        shop = Shop(self._bench.url, self._bench.token, sales, self._log, self._load.tills)
        began = time.monotonic()
        shop.sell(max(1, int(self._load.rate * real)), real + self._load.patience, rate=self._load.rate)
        time.sleep(max(0.0, real - (time.monotonic() - began)))
        self.measured.milliseconds.setdefault(phase, []).extend(shop.takings.milliseconds)
        self.measured.refused += shop.takings.refused


def prove(directory: Path, load: Load, seed: int) -> Measured:
    """Raises `NotStarted`."""
    stock = {"segment_size": 5000, "quota_step": 50_000_000}
    bench = Bench(directory, Sizes(speed=load.speed, seed=seed, start=START, policy=stock))
    try:
        bench.set_up()
        return Proof(bench, load).run()
    finally:
        bench.close()
