"""How long until all is well again: (a) after the bureau came back, (b) after the platform was killed with -9 and started again.

Real processes. Normal service: the mode is online, an invoice of afterwards is confirmed, and the debt is drained. What was on
the wire in the very moment of a kill is UNKNOWN and settles first (R4: ten minutes of the platform's clock, whatever is done):
that is not waited for in each run, but all of it is settled at the end (`unsettled`). The last line on stdout is one JSON object;
times are real seconds, `clock_speed` says how fast the platform's own clock ran.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.drain import SmallSales
from kaipiao_lab.processes import NotStarted, get
from kaipiao_lab.shop import AnswerLog, Shop

POLICY = {"shard_seconds": 5.0}


@dataclass(frozen=True, slots=True)
class Plan:
    """`runs` of each kind. `sales`: made while it is away. `speed`: of the clock. `patience`: real seconds for one wait."""

    runs: int
    sales: int
    speed: float
    patience: float


QUICK = Plan(runs=3, sales=20, speed=20.0, patience=60.0)
FULL = Plan(runs=20, sales=100, speed=1.0, patience=600.0)
WAITING = ("accepted", "issued", "uploading", "submitted")
SETTLE = 900.0  # seconds of the platform's clock for what settles
LIMIT = 300.0  # seconds; the worst may not be longer


class Recoveries:
    """One bureau and one platform, broken and mended again and again."""

    def __init__(self, directory: Path, plan: Plan, seed: int) -> None:
        start = time.strftime("%Y-%m-03T09:00:00+08:00")
        self.plan = plan
        self.bench = Bench(directory, Sizes(speed=plan.speed, tills=2, seed=seed, start=start, policy=POLICY))
        self._seed = seed
        self._count = 0

    def sell(self, count: int) -> None:
        """Each until it is answered."""
        self._count += 1
        log = AnswerLog(self.bench.directory / "answers.ndjson")
        sales = SmallSales(self.bench.seller, self._seed, f"R{self._seed}-{self._count}")
        shop = Shop(self.bench.url, self.bench.token, sales, log, 1)
        shop.sell(count, self.plan.patience)
        log.close()
        if shop.takings.acknowledged < count:
            raise NotStarted(f"only {shop.takings.acknowledged} of {count} sold: {shop.takings.refusals}")

    def after_the_bureau(self) -> dict[str, float]:
        """The bureau is killed, missed, sold without, and started again."""
        self.bench.bureau.kill()
        self.sell(self.plan.sales)
        self._until("an outage has begun", self._is_away)
        confirmed = self._confirmed()
        self.bench.restart_bureau()
        began = time.monotonic()
        return self._normal(began, confirmed)

    def after_the_platform(self) -> dict[str, float]:
        """The platform is killed while debt waits, started again at once, and sold through."""
        self.sell(self.plan.sales)
        confirmed = self._confirmed()
        began = time.monotonic()
        self.bench.platform.kill()
        self.bench.platform.start()
        self.sell(1)
        answered = time.monotonic() - began
        return {"first_sale": answered, **self._normal(began, confirmed)}

    def _normal(self, began: float, confirmed: int) -> dict[str, float]:
        """Seconds until each of what makes normal service was seen; `normal`: all of it."""
        seen: dict[str, float] = {}
        looks: dict[str, Callable[[], bool]] = {
            "online": self._is_online,
            "first_confirmed": lambda: self._confirmed() > confirmed,
            "drained": lambda: self._waiting() == 0,
        }
        end = time.monotonic() + self.plan.patience
        while len(seen) < len(looks):
            if time.monotonic() > end:
                raise NotStarted(f"not normal again: {sorted(looks.keys() - seen.keys())}")
            seen |= {name: time.monotonic() - began for name, look in looks.items() if name not in seen and look()}
            time.sleep(0.1)
        return {**seen, "normal": max(seen.values())}

    def _is_online(self) -> bool:
        """No channel is away: no open outage whose mode is not back online."""
        found = get(f"{self.bench.url()}/v1/outages?open=true", self.bench.token)
        return isinstance(found, list) and all(one["back_at"] is not None for one in found)

    def _is_away(self) -> bool:
        found = get(f"{self.bench.url()}/v1/outages?open=true", self.bench.token)
        return isinstance(found, list) and any(one["back_at"] is None for one in found)

    def _confirmed(self) -> int:
        status = self.bench.status()
        return sum(int(one["states"].get("confirmed", 0)) for one in status["taxpayers"]) if status else 0

    def _waiting(self) -> int | None:
        """Documents that are still to be uploaded or confirmed, without those that settle."""
        status = self.bench.status()
        if status is None:
            return None
        return sum(int(one["states"].get(state, 0)) for one in status["taxpayers"] for state in WAITING)

    def _until(self, what: str, look: Callable[[], bool]) -> None:
        end = time.monotonic() + self.plan.patience
        while not look():
            if time.monotonic() > end:
                raise NotStarted(f"waited in vain until {what}")
            time.sleep(0.1)

    def go(self) -> dict[str, Any]:
        """Raises `NotStarted`."""
        self.bench.set_up()
        self.sell(1)
        self._normal(time.monotonic(), 0)
        kinds = {"bureau_returns": self.after_the_bureau, "platform_killed": self.after_the_platform}
        result: dict[str, Any] = {"runs": self.plan.runs, "clock_speed": self.plan.speed}
        for name, kind in kinds.items():
            taken = []
            for _ in range(self.plan.runs):
                taken.append(kind())
                sys.stderr.write(f"{name} { {k: round(v, 2) for k, v in taken[-1].items()} }\n")
            result[name] = {part: _summary([one[part] for one in taken]) for part in taken[0]}
        result["unsettled"] = self.bench.wait_settled(self.plan.patience + SETTLE / self.plan.speed)
        return result


def _summary(seconds: list[float]) -> dict[str, float]:
    return {"median": round(median(seconds), 2), "worst": round(max(seconds), 2)}


def sound(result: dict[str, Any]) -> bool:
    in_time = all(result[name]["normal"]["worst"] <= LIMIT for name in ("bureau_returns", "platform_killed"))
    return in_time and result["unsettled"] == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 runs, under 50 s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kaipiao-recovery-") as scratch:
        run = Recoveries(options.keep or Path(scratch), QUICK if options.quick else FULL, options.seed)
        try:
            result = run.go()
        finally:
            run.bench.close()
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if sound(result) else 1


if __name__ == "__main__":
    sys.exit(main())
