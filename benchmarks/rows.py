"""The figures of `make bench`, each a ratio within one run."""

from __future__ import annotations

import statistics
import time
from typing import Any

from stand import Stand, conventional, cpu_seconds, load, start_load

SETTLE_SECONDS = 60.0


def saturated(stand: Stand, seconds: float) -> dict[str, Any]:
    """The platform as fast as 32 connections drive it; `cpu_us`: of its process from request to confirmed."""
    stand.load("warm", count=300)
    stand.bench.wait_settled(SETTLE_SECONDS)
    before = cpu_seconds(stand.pid)
    report = stand.load("full", seconds=seconds)
    left = stand.bench.wait_settled(SETTLE_SECONDS)
    assert left == 0, f"{left} invoices were not confirmed"
    assert not report["others"], report
    return {**report, "cpu_us": (cpu_seconds(stand.pid) - before) / report["ok"] * 1e6}


def accepted_later(stand: Stand, seconds: float) -> dict[str, Any]:
    """The platform when it may number later: accepted and stored a second. Last of all: what it leaves takes long to be numbered."""
    return stand.load("later", seconds=seconds, later=1)


def conventional_rate(stand: Stand, seconds: float, *, ours: bool) -> dict[str, Any]:
    with conventional(stand, ours) as url:
        load(url, "-", stand.bench.seller, "warm", count=20, connections=8)
        return load(url, "-", stand.bench.seller, "full", seconds=seconds)


def uploader_rates(stand: Stand, backlog: int) -> tuple[float, float]:
    """Invoices a second that reach the bureau: with nothing else to do, and while ingest saturates."""
    alone = _drained(stand, _fall_behind(stand, "alone", backlog))
    waiting = _fall_behind(stand, "beside", backlog)
    bench = stand.bench
    shop = start_load(bench.url(), bench.token, bench.seller, "beside2", seconds=30)
    time.sleep(0.5)
    try:
        beside = _drained(stand, waiting)
    finally:
        shop.terminate()
        shop.communicate()
    bench.wait_settled(SETTLE_SECONDS)
    return alone, beside


def _fall_behind(stand: Stand, prefix: str, backlog: int) -> int:
    """Issue while nobody listens at the bureau's address; how many wait."""
    stand.bench.bureau.stop()
    return int(stand.load(prefix, count=backlog)["ok"])


def _drained(stand: Stand, backlog: int) -> float:
    """Start the bureau; invoices a second from when nothing had arrived to 80 % of the backlog."""
    before = stand.uploaded()
    stand.bench.restart_bureau()
    began, end = time.perf_counter(), time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        now, done = time.perf_counter(), stand.uploaded() - before
        if not done:
            began = now
        elif done >= 0.8 * backlog:
            return done / (time.perf_counter() - began)
        time.sleep(0.02)
    raise TimeoutError("the backlog does not get to the bureau")


def p99_hanging_over_up(
    stand: Stand, rate: float, seconds: float, rounds: int
) -> tuple[float, list[float], list[float]]:
    """The median over rounds of p99 while the bureau hangs over p99 while it is up, at `rate` sales a second."""
    up, hanging = [], []
    for turn in range(rounds):
        up.append(stand.load(f"up{turn}", rate=rate, seconds=seconds)["p99"])
        stand.bench.set_faults([{"kind": "hang"}])
        hanging.append(stand.load(f"hang{turn}", rate=rate, seconds=seconds)["p99"])
        stand.bench.set_faults([])
    return statistics.median(hanging) / statistics.median(up), up, hanging
