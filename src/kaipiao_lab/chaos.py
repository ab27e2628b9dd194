"""kill -9 of platform and bureau at random moments, faults on the wire, sales without a pause, three books at the end.

The last line on stdout is one JSON object: kills, acknowledged, confirmed, unknown, lost, doubled, believed_wrong.
Traffic stays on loopback; the run is bounded in time and ends only processes that it started.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kaipiao_lab.bench import Bench, Sizes, third_of_the_month
from kaipiao_lab.calls import at_once, calls
from kaipiao_lab.postgresql import Server, new_server

SERVICES = ["QDFPSC", "CXQDFPSCJG"]


@dataclass(frozen=True, slots=True)
class Plan:
    """`kills` of each of the two; `rate`: sales a second; `pause`: seconds between two kills, from–to; `settle`: seconds
    for the end; `limit`: of the whole; `policy`: settings of the platform."""

    kills: int
    sales: int
    rate: float
    speed: float
    pause: tuple[float, float]
    settle: float
    limit: float
    policy: Mapping[str, float] = field(default_factory=dict)


QUICK = Plan(kills=5, sales=1200, rate=70.0, speed=300.0, pause=(0.4, 1.2), settle=60.0, limit=100.0,
    policy={"shard_seconds": 2.0},
)  # fmt: skip
FULL = Plan(kills=100, sales=52_000, rate=60.0, speed=300.0, pause=(1.0, 5.0), settle=400.0, limit=1800.0)


def faults(seed: int) -> list[dict[str, object]]:
    """What goes wrong besides the kills: each about 1–3 % of the calls, of uploads and results."""
    uploads = {"services": ["QDFPSC"]}
    kinds: list[dict[str, object]] = [
        {"kind": "drop_answer", "probability": 0.03, **uploads},
        {"kind": "late", "probability": 0.03, "seconds": [10, 300], **uploads},
        {"kind": "lose", "probability": 0.03, **uploads},
        {"kind": "http_error", "probability": 0.02, "status": 503, "services": SERVICES},
        {"kind": "http_error", "probability": 0.02, "status": 502, "after_commit": True, **uploads},
        {"kind": "too_many", "probability": 0.01, "services": SERVICES},
        {"kind": "soft_logout", "probability": 0.01, "services": SERVICES},
        {"kind": "half_answer", "probability": 0.02, "services": SERVICES},
        {"kind": "hang", "probability": 0.01, "services": SERVICES},
        {"kind": "wrong_order", "probability": 0.02, "services": ["CXQDFPSCJG"]},
        {"kind": "delay", "probability": 0.05, "seconds": [1, 20], "services": SERVICES},
    ]
    return [{**kind, "seed": seed * 100 + place} for place, kind in enumerate(kinds)]


class Killer:
    """Kills and starts again, in an order and at moments drawn from the seed. With a database server, that too."""

    def __init__(self, bench: Bench, plan: Plan, seed: int, server: Server | None) -> None:
        self._bench = bench
        self._plan = plan
        self._server = server
        self._chance = random.Random(seed)  # noqa: S311 — repeatable, no secret
        self.kills = {"platform": 0, "bureau": 0} | ({"database": 0} if server else {})

    def work(self, end: float) -> None:
        """Until both have been killed often enough, or time is up."""
        while min(self.kills.values()) < self._plan.kills and time.monotonic() < end:
            time.sleep(self._chance.uniform(*self._plan.pause))
            victim = self._chance.choice([n for n, k in self.kills.items() if k < self._plan.kills])
            self._kill(victim)
            self.kills[victim] += 1

    def _kill(self, victim: str) -> None:
        pause = self._chance.uniform(0.0, 0.5)
        if victim == "database" and self._server is not None:
            self._server.kill()
            time.sleep(pause)
            self._server.start()
        elif victim == "platform":
            node = self._chance.choice(self._bench.nodes)
            node.kill()
            time.sleep(pause)
            node.start()
        else:
            self._bench.bureau.kill()
            time.sleep(pause)
            self._bench.restart_bureau()


def storm(
    directory: Path, plan: Plan, seed: int, server: Server | None = None, nodes: int = 1
) -> tuple[dict[str, int], int]:
    """One run. Returns the last line, and how many invoices were not at their end when time was up."""
    database = server.url() if server is not None else None
    sizes = Sizes(
        plan.speed, tills=6, seed=seed, start=third_of_the_month(), nodes=nodes, database=database, policy=plan.policy
    )
    bench = Bench(directory, sizes)
    end = time.monotonic() + plan.limit
    try:
        bench.set_up()
        bench.set_faults(faults(seed))
        shop = bench.open_shop()
        killer = Killer(bench, plan, seed, server)
        selling = threading.Thread(
            target=shop.sell, args=(plan.sales, plan.limit), kwargs={"rate": plan.rate}, daemon=True
        )
        selling.start()
        killer.work(end)
        selling.join(max(1.0, end - time.monotonic()))
        bench.set_faults([])
        left = bench.wait_settled(plan.settle)
    finally:
        bench.close()
    found = bench.audit()
    _say(f"kills {killer.kills}, issued {found.issued}, held {found.held}")
    _say(f"{shop.takings.repeated} repeated, {shop.takings.refused} refused {shop.takings.refusals}, {left} left open")
    if nodes > 1:
        made = calls(bench.logs())
        _say(f"wire calls by node {dict(Counter(call.node for call in made))}")
        _say(f"of one service and taxpayer by two nodes at once: {len(at_once(made))}")
    _say(f"lost {found.lost_orders} doubled {found.doubled_orders} wrong {found.wrong_orders}")
    result = {
        "kills": sum(killer.kills.values()),
        "acknowledged": found.acknowledged,
        "confirmed": found.confirmed,
        "unknown": found.unknown,
        "lost": found.lost,
        "doubled": found.doubled,
        "believed_wrong": found.believed_wrong,
    }
    return result, left


def sound(result: dict[str, int], plan: Plan) -> bool:
    """Nothing lost, doubled or believed wrongly, everything confirmed, and enough of it to mean something."""
    clean = not (result["lost"] or result["doubled"] or result["believed_wrong"] or result["unknown"])
    kills, acknowledged, confirmed = (result[name] for name in ("kills", "acknowledged", "confirmed"))
    return kills >= 2 * plan.kills and clean and confirmed >= acknowledged >= plan.sales * 0.95


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--nodes", type=int, default=1, help="platforms on one PostgreSQL database")
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    server = new_server() if options.database == "postgresql" else None
    try:
        with tempfile.TemporaryDirectory(prefix="kaipiao-chaos-") as scratch:
            result, left = storm(options.keep or Path(scratch), plan, options.seed, server, options.nodes)
    finally:
        if server is not None:
            server.close()
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if sound(result, plan) and left == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
