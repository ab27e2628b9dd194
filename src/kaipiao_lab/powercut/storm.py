"""Power cuts at random moments while sales come in: with our settings nothing is lost, with `synchronous = OFF` something is.

The last line on stdout is one JSON object: cuts, waiting, acknowledged, confirmed, unknown, lost, doubled, believed_wrong,
careless_cuts, careless_lost. `waiting`: changes of the files that no fsync had followed when the power failed. Without a
loss in the careless run the test would be blind: it fails.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kaipiao_lab import auditor
from kaipiao_lab.bench import Bench, Sizes, third_of_the_month
from kaipiao_lab.powercut.platform import CAREFUL, CARELESS, FailingPower
from kaipiao_lab.powercut.restore import Remainder
from kaipiao_lab.processes import NotStarted, wait_ready


@dataclass(frozen=True, slots=True)
class Plan:
    """`rate`: sales a second; `pause`: seconds between two cuts, from–to; `settle`, `limit`: seconds."""

    cuts: int
    careless_cuts: int
    rate: float
    pause: tuple[float, float]
    settle: float
    limit: float


QUICK = Plan(cuts=12, careless_cuts=2, rate=60.0, pause=(0.3, 1.2), settle=20.0, limit=60.0)
FULL = Plan(cuts=100, careless_cuts=5, rate=60.0, pause=(0.3, 4.0), settle=120.0, limit=900.0)
SPEED = 300.0
ENOUGH = 6  # cuts, of which one at least comes while something waits for its fsync


class Cutter:
    """Cuts the power and starts the platform again."""

    def __init__(self, platform: FailingPower, seed: int) -> None:
        self._platform = platform
        self._chance = random.Random(seed)  # noqa: S311 — repeatable, no secret
        self.cuts = 0
        self.waiting = 0

    def work(self, cuts: int, pause: tuple[float, float], end: float) -> None:
        """Raises `NotStarted` when the platform does not come up again."""
        while self.cuts < cuts and time.monotonic() < end:
            time.sleep(self._chance.uniform(*pause))
            self.waiting += self._platform.cut(self._chance.choice(list(Remainder)), self._chance)
            self.cuts += 1
            wait_ready(str(self._platform.start()["url"]))


def storm(directory: Path, plan: Plan, cuts: int, seed: int, care: str) -> tuple[Cutter, auditor.Findings, int]:
    """One run. Returns what was cut, what the books say, and how many invoices were not at their end when time was up."""
    bench = Bench(directory, Sizes(SPEED, tills=6, seed=seed, start=third_of_the_month(), power=care))
    end = time.monotonic() + plan.limit
    left = -1
    try:
        bench.set_up()
        platform = bench.platform
        assert isinstance(platform, FailingPower)
        cutter = Cutter(platform, seed)
        shop = bench.open_shop()
        selling = threading.Thread(target=shop.sell, args=(10**9, plan.limit), kwargs={"rate": plan.rate}, daemon=True)
        selling.start()
        try:
            cutter.work(cuts, plan.pause, end)
            shop.close_for_today()
            selling.join(max(1.0, end - time.monotonic()))
            left = bench.wait_settled(plan.settle)
        except NotStarted as damaged:
            if care == CAREFUL:
                raise
            _say(f"the careless one does not come up again: {str(damaged).splitlines()[-1][:200]}")
            shop.close_for_today()
    finally:
        bench.close()
    return cutter, _audit(bench), left


def _audit(bench: Bench) -> auditor.Findings:
    try:
        return bench.audit()
    except sqlite3.DatabaseError:  # nothing of our book can be read any more
        return auditor.compare(auditor.client_book(bench.directory / "answers.ndjson"), _nothing(), _nothing())


def _nothing() -> Iterable[auditor.Entry]:
    return ()


def result_of(directory: Path, plan: Plan, seed: int) -> tuple[dict[str, int], bool]:
    """The last line, and whether it is as it must be."""
    cutter, found, left = storm(directory / CAREFUL, plan, plan.cuts, seed, CAREFUL)
    blind, seen, _ = storm(directory / CARELESS, plan, plan.careless_cuts, seed, CARELESS)
    result = {
        "cuts": cutter.cuts,
        "waiting": cutter.waiting,
        "acknowledged": found.acknowledged,
        "confirmed": found.confirmed,
        "unknown": found.unknown,
        "lost": found.lost,
        "doubled": found.doubled,
        "believed_wrong": found.believed_wrong,
        "careless_cuts": blind.cuts,
        "careless_lost": seen.lost,
    }
    clean = not (found.lost or found.doubled or found.believed_wrong or found.unknown or left)
    seen_waiting = cutter.waiting > 0 or plan.cuts < ENOUGH
    meant = cutter.cuts == plan.cuts and found.confirmed >= found.acknowledged > 0 and seen_waiting
    return result, clean and meant and seen.lost > 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kaipiao-power-") as scratch:
        result, sound = result_of(options.keep or Path(scratch), QUICK if options.quick else FULL, options.seed)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
