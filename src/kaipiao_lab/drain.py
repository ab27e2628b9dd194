"""Documents are issued while the bureau is away; it comes back, and everything is uploaded at its limits, oldest deadline first.

Real processes, a moved clock. The last line on stdout is one JSON object: documents, drained, late, out_of_order, hours (of the
bureau's clock, from its return to the last arrival), calls_per_second (of the same clock). Late and order are read from the
bureau's own books: when each document arrived, and when its 48 hours end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.calls import calls
from kaipiao_lab.processes import NotStarted, get, put, run
from kaipiao_lab.sales import Sales
from kaipiao_lab.shop import AnswerLog, Shop, percentile

SHANGHAI = timezone(timedelta(hours=8))
WINDOW = timedelta(hours=48)
POLICY = {"segment_size": 5000, "quota_step": 5_000_000}
OUT_OF_SERVICE: list[dict[str, object]] = [{"kind": "http_error", "probability": 1.0, "status": 503}]
DEBT, WARM, MEANWHILE = "D", "W", "M"  # what the order keys of each kind of sale begin with


@dataclass(frozen=True, slots=True)
class Plan:
    """`away`: speed of the clock while the bureau is away; `back`: afterwards. `meanwhile`: sales during the drain, at 5 a
    second. `seconds`: real ones, for each part."""

    documents: int
    away: float
    back: float
    meanwhile: int
    seconds: float


QUICK = Plan(documents=2000, away=200.0, back=5.0, meanwhile=25, seconds=60.0)
FULL = Plan(documents=50_000, away=150.0, back=1.0, meanwhile=500, seconds=1800.0)


class SmallSales(Sales):
    """One cheap line each: numbers and quota last."""

    def next(self) -> dict[str, object]:
        sale = super().next()
        line = {**self._line(), "quantity": "1", "unit_price": "9.90"}
        return {**sale, "lines": [line], "kind": "general"}


class Run:
    """One drain, in a directory."""

    def __init__(self, directory: Path, plan: Plan, seed: int) -> None:
        start = time.strftime("%Y-%m-03T09:00:00+08:00")  # far from month ends
        self.plan = plan
        self.bench = Bench(directory, Sizes(speed=1.0, tills=6, seed=seed, start=start, policy=POLICY))
        self._seed = seed

    def sell(self, kind: str, count: int, rate: float | None = None) -> list[float]:
        """Milliseconds of each answer."""
        log = AnswerLog(self.bench.directory / "answers.ndjson")
        sales = SmallSales(self.bench.seller, self._seed, f"{kind}{self._seed}-{time.monotonic_ns()}")
        shop = Shop(self.bench.url, self.bench.token, sales, log, 6)
        shop.sell(count, self.plan.seconds, rate=rate)
        log.close()
        if shop.takings.acknowledged < count:
            raise NotStarted(f"only {shop.takings.acknowledged} of {count} sold: {shop.takings.refusals}")
        return shop.takings.milliseconds

    def stock_up(self) -> None:
        """Numbers and quota for all of it, as the platform stocks them itself: by the rate of the last hour."""
        end = time.monotonic() + self.plan.seconds
        while (left := self._numbers_left()) < self.plan.documents:
            if time.monotonic() > end:
                raise NotStarted(f"only {left} numbers in stock")
            if self.plan.documents > POLICY["segment_size"]:
                self.sell(WARM, 500)
            time.sleep(0.5)
        if self.bench.wait_settled(self.plan.seconds):
            raise NotStarted("what was sold before is not settled")

    def _numbers_left(self) -> int:
        status = self.bench.status()
        return int(status["taxpayers"][0]["numbers_left"]) if status else 0

    def set_speed(self, speed: float) -> None:
        admin = self.bench.bureau.info["admin"]
        put(f"{admin['url']}/clock", admin["credential"], json.dumps({"speed": speed}).encode())

    def bureau_now(self) -> datetime:
        admin = self.bench.bureau.info["admin"]
        shown: Any = get(f"{admin['url']}/clock", admin["credential"])
        return datetime.fromisoformat(shown["now"])

    def go(self) -> dict[str, Any]:
        """The whole of it. Raises `NotStarted`."""
        self.bench.set_up()
        self.stock_up()
        self.set_speed(self.plan.away)
        time.sleep(2.5)  # the platform follows the clock within a second
        self.bench.set_faults(OUT_OF_SERVICE)
        self.bench.bureau.kill()
        _say(f"the bureau is away; {self.plan.documents} documents")
        before = self.sell(DEBT, self.plan.documents)
        _say(f"p99 of an answer while it is away: {percentile(before, 0.99):.1f} ms")
        self.bench.restart_bureau()  # it answers "out of service" at first, so that both clocks slow down before it serves
        self.set_speed(self.plan.back)
        time.sleep(2.5)
        self.bench.set_faults([])
        returned, real = self.bureau_now(), time.time()
        meanwhile: list[float] = []
        selling = threading.Thread(target=lambda: meanwhile.extend(self.sell(MEANWHILE, self.plan.meanwhile, 5.0)))
        selling.start()
        selling.join()
        left = self.bench.wait_settled(self.plan.seconds)
        _say(f"p99 of an answer during the drain: {percentile(meanwhile, 0.99):.1f} ms; {left} left open")
        ended = time.time()
        self.bench.close()
        return self._result(returned, [c for c in calls(self.bench.logs()) if real <= c.began <= ended])

    def _result(self, returned: datetime, made: list[Any]) -> dict[str, Any]:
        held = [entry for entry in self._books() if str(entry["remark"]).startswith(f"order:{DEBT}")]
        arrived = sorted((datetime.fromisoformat(e["accepted_at"]), deadline(e)) for e in held)
        took = (arrived[-1][0] - returned) if arrived else timedelta(0)
        during = [c for c in made if c.ended - made[0].began <= took.total_seconds() / self.plan.back] if made else []
        return {
            "documents": self.plan.documents,
            "drained": len(held),
            "late": sum(at > until for at, until in arrived),
            "out_of_order": out_of_order(arrived),
            "hours": round(took / timedelta(hours=1), 3),
            "calls_per_second": round(len(during) / max(took.total_seconds(), 1.0), 2),
        }

    def _books(self) -> Iterator[dict[str, Any]]:
        directory = str(self.bench.directory / "bureau")
        text = run(["sandbox", "--books", "-d", directory], self.bench.directory / "setup.log")
        yield from (json.loads(line) for line in text.splitlines())


def deadline(entry: dict[str, Any]) -> datetime:
    """When the bureau takes it no more: 48 hours after kprq (Asia/Shanghai, whole seconds)."""
    return datetime.fromisoformat(entry["kprq"]).replace(tzinfo=SHANGHAI) + WINDOW


def out_of_order(arrived: list[tuple[datetime, datetime]]) -> int:
    """How many of (arrival, deadline), by arrival, came in a later call than one whose deadline is later."""
    latest, count = datetime.min.replace(tzinfo=SHANGHAI), 0
    for _, call in groupby(arrived, key=lambda one: one[0]):
        deadlines = [until for _, until in call]
        count += sum(until < latest for until in deadlines)
        latest = max(latest, *deadlines)
    return count


def sound(result: dict[str, Any]) -> bool:
    return result["drained"] == result["documents"] and not result["late"] and not result["out_of_order"]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 documents, under 50 s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--documents", type=int, help="another number of documents")
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    if options.documents:
        plan = Plan(options.documents, plan.away, plan.back, plan.meanwhile, plan.seconds)
    with tempfile.TemporaryDirectory(prefix="kaipiao-drain-") as scratch:
        one = Run(options.keep or Path(scratch), plan, options.seed)
        try:
            result = one.go()
        finally:
            one.bench.close()
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if sound(result) else 1


if __name__ == "__main__":
    sys.exit(main())
