"""A storm over two stands, one on the embedded database whose power is cut, one with two nodes on PostgreSQL whose server is
killed; three books of each at the end.

The last line on stdout is one JSON object: events, kills, acknowledged, unknown, lost, doubled, believed_wrong. Traffic stays
on loopback; the run is bounded in time and ends only processes that it started.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kaipiao_lab.auditor import Findings
from kaipiao_lab.bench import Sizes, third_of_the_month
from kaipiao_lab.chaos import faults
from kaipiao_lab.postgresql import Server, new_server
from kaipiao_lab.powercut.platform import CAREFUL
from kaipiao_lab.storm.events import Weather
from kaipiao_lab.storm.stand import Stand

SPEED = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`events` over each stand; `rate`: sales a second; `pause`: seconds between two events, from–to; `settle`: seconds for
    the end; `limit`: of the whole of one stand."""

    events: int
    rate: float
    pause: tuple[float, float]
    settle: float
    limit: float


QUICK = Plan(events=20, rate=40.0, pause=(0.05, 0.3), settle=15.0, limit=30.0)
FULL = Plan(events=300, rate=30.0, pause=(0.1, 1.5), settle=300.0, limit=900.0)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """`left`: invoices that were not at their end when time was up."""

    happened: Counter[str]
    kills: int
    found: Findings
    left: int
    refusals: list[str]


def storm(directory: Path, plan: Plan, seed: int, server: Server | None) -> Aftermath:
    """Over one stand."""
    database = None if server is None else server.url()
    nodes, power = (1, CAREFUL) if server is None else (2, None)
    policy = {"shard_seconds": 2.0}
    sizes = Sizes(
        SPEED,
        tills=6,
        seed=seed,
        start=third_of_the_month(),
        nodes=nodes,
        database=database,
        policy=policy,
        power=power,
    )
    stand = Stand(directory, sizes)
    try:
        stand.set_up()
        stand.set_faults(faults(seed))
        shop = stand.open_shop()
        weather = Weather(stand, seed, server)
        end = time.monotonic() + plan.limit
        patience = plan.limit + plan.settle
        selling = threading.Thread(target=shop.sell, args=(10**9, patience), kwargs={"rate": plan.rate}, daemon=True)
        selling.start()
        weather.blow(plan.events, plan.pause, end)
        stand.set_faults([])
        shop.close_for_today()
        selling.join(plan.settle)
        left = stand.wait_settled(plan.settle)
    finally:
        stand.close()
    return Aftermath(weather.happened, weather.kills, stand.audit(), left, shop.takings.refusals)


def line_of(stands: list[Aftermath]) -> dict[str, int]:
    """The last line."""
    return {
        "events": sum(s.happened.total() for s in stands),
        "kills": sum(s.kills for s in stands),
        "acknowledged": sum(s.found.acknowledged for s in stands),
        "unknown": sum(s.found.unknown for s in stands),
        "lost": sum(s.found.lost for s in stands),
        "doubled": sum(s.found.doubled for s in stands),
        "believed_wrong": sum(s.found.believed_wrong for s in stands),
    }


def sound(stands: list[Aftermath], plan: Plan) -> bool:
    """Nothing lost, doubled or believed wrongly, all at its end, nothing refused, and enough of it to mean something."""
    line = line_of(stands)
    clean = not (line["lost"] or line["doubled"] or line["believed_wrong"] or line["unknown"])
    ended = all(s.left == 0 and s.found.confirmed >= s.found.acknowledged > 0 and not s.refusals for s in stands)
    return clean and ended and all(s.happened.total() == plan.events and s.kills > 0 for s in stands)


def _tell(name: str, aftermath: Aftermath) -> None:
    found = aftermath.found
    sys.stderr.write(f"{name}: {dict(aftermath.happened)}\n")
    sys.stderr.write(f"{name}: issued {found.issued}, held {found.held}, {aftermath.left} left open\n")
    for what, orders in (("lost", found.lost_orders), ("doubled", found.doubled_orders), ("wrong", found.wrong_orders)):
        if orders:
            sys.stderr.write(f"{name}: {what} {orders}\n")
    if aftermath.refusals:
        sys.stderr.write(f"{name}: refused {aftermath.refusals}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    server = new_server()
    try:
        with tempfile.TemporaryDirectory(prefix="kaipiao-storm-") as scratch:
            place = options.keep or Path(scratch)
            with ThreadPoolExecutor(2) as at_once:
                embedded = at_once.submit(storm, place / "embedded", plan, options.seed, None)
                shared = at_once.submit(storm, place / "postgresql", plan, options.seed + 1000, server)
                stands = {"embedded": embedded.result(), "postgresql": shared.result()}
    finally:
        server.close()
    for name, aftermath in stands.items():
        _tell(name, aftermath)
    sys.stdout.write(json.dumps(line_of([*stands.values()])) + "\n")
    return 0 if sound([*stands.values()], plan) else 1


if __name__ == "__main__":
    sys.exit(main())
