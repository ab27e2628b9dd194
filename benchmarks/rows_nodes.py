"""The row of several nodes: two platforms on one PostgreSQL over one of them, everything on this machine."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry import Row, Run, say
from stand import CONNECTIONS, SPEED, cpu_seconds, start_load

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.postgresql import Server, new_server

POLICY = {"segment_size": 5000, "quota_step": 3000000.0}
SETTLE_SECONDS = 60.0


@dataclass(slots=True)
class Spent:
    """Seconds of CPU of all that shares the machine."""

    nodes: float
    bureau: float
    database: float

    def since(self, before: Spent) -> Spent:
        return Spent(self.nodes - before.nodes, self.bureau - before.bureau, self.database - before.database)


def two_nodes_over_one(run: Run) -> float:
    """Invoices a second that two nodes issue over those of one, the same shop split between them; a turn each, repeated."""
    server = new_server()
    sizes = Sizes(SPEED, start="2026-11-03T09:00:00+08:00", nodes=2, database=server.url(), policy=POLICY)
    bench = Bench(run.scratch() / "nodes", sizes)
    try:
        bench.set_up()
        rates: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(1 if run.quick else 2):
            for count in (1, 2):
                rates[count].append(_rate(bench, server, count, f"N{turn}{count}", 2.0 if run.quick else 5.0))
                bench.wait_settled(SETTLE_SECONDS)
    finally:
        bench.close()
        server.close()
    return statistics.median(rates[2]) / statistics.median(rates[1])


def _rate(bench: Bench, server: Server, count: int, prefix: str, seconds: float) -> float:
    nodes = bench.nodes[:count]
    before, began = _spent(bench, server), time.perf_counter()
    shops = [
        start_load(
            str(node.info["url"]), bench.token, bench.seller, f"{prefix}{place}", seconds=seconds,
            connections=CONNECTIONS // count,
        )
        for place, node in enumerate(nodes)
    ]  # fmt: skip
    reports: list[dict[str, Any]] = [json.loads(shop.communicate()[0].splitlines()[-1]) for shop in shops]
    took, spent = time.perf_counter() - began, _spent(bench, server).since(before)
    _say(count, reports, spent, took)
    return float(sum(report["per_second"] for report in reports))


def _say(count: int, reports: Sequence[dict[str, Any]], spent: Spent, took: float) -> None:
    made = sum(report["ok"] for report in reports)
    shop = sum(report["generator_us"] * report["ok"] for report in reports) / 1e6
    used = spent.nodes + spent.bureau + spent.database + shop
    rate = sum(report["per_second"] for report in reports)
    say(
        f"  {count} node(s)    {rate:7.0f}/s; µs CPU per invoice: nodes {spent.nodes / made * 1e6:.0f}, database"
        f" {spent.database / made * 1e6:.0f}, bureau {spent.bureau / made * 1e6:.0f}, shop {shop / made * 1e6:.0f};"
        f" {used / took:.2f} of {os.cpu_count()} cores busy with it"
    )


def _spent(bench: Bench, server: Server) -> Spent:
    nodes = sum(cpu_seconds(node.pid) for node in bench.nodes if node.pid)
    assert bench.bureau.pid is not None
    assert server.process is not None
    family = [server.process.pid, *_children(server.process.pid)]
    return Spent(nodes, cpu_seconds(bench.bureau.pid), sum(map(cpu_seconds, family)))


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


ROWS = [Row("two_nodes_over_one", "≥ 1.3", two_nodes_over_one, long=True)]
