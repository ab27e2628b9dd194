"""The rows of the embedded platform: beside its own parts, beside the conventional way, accepting, uploading, bureau away."""

from __future__ import annotations

import statistics
import time
from typing import Any

from registry import Row, Run, say
from stand import Stand, conventional, cpu_seconds, load, start_load

SETTLE_SECONDS = 60.0


def cpu_over_parts(run: Run) -> float:
    parts = run.parts()
    whole = _whole(run)
    say(
        f"  {'platform':12} {whole['cpu_us']:8.1f} µs CPU per invoice, issued and confirmed; "
        f"{whole['gross_us']:.1f} µs with what it takes idle"
    )
    return float(whole["cpu_us"]) / sum(parts.values())


def over_conventional(run: Run) -> float:
    pypi = conventional_rate(run.stand(), _seconds(run), ours=False)
    _say_load("conventional", pypi)
    return float(_whole(run)["per_second"] / pypi["per_second"])


def over_conventional_same_sm2(run: Run) -> float:
    same = conventional_rate(run.stand(), _seconds(run), ours=True)
    _say_load("… our SM2", same)
    return float(_whole(run)["per_second"] / same["per_second"])


def uploader_share(run: Run) -> float:
    alone, beside = uploader_rates(run.stand(), 400 if run.quick else 5000, _patience(run))
    say(f"  uploader     {alone:.0f}/s alone, {beside:.0f}/s while ingest saturates")
    return beside / alone


def hanging_over_up(run: Run) -> float:
    half = _whole(run)["per_second"] / 2
    stand = run.stand()
    ratio, up, hanging = p99_hanging_over_up(stand, half, _seconds(run), 1 if run.quick else 5)
    say(f"  p99 ms at {half:.0f}/s: bureau up {up}, hanging {hanging}")
    stand.bench.wait_settled(_patience(run))
    return ratio


def async_over_sync(run: Run) -> float:
    whole, later = _whole(run), accepted_later(run.stand(), _seconds(run))
    _say_load("… async", later)
    run.leave_stand()
    return float(later["per_second"] / whole["per_second"])


def _seconds(run: Run) -> float:
    return 2.0 if run.quick else 15.0


def _patience(run: Run) -> float:
    """Seconds that a row waits for what it leaves behind."""
    return 2.0 if run.quick else SETTLE_SECONDS


def _whole(run: Run) -> dict[str, Any]:
    return run.once("saturated", lambda: _saturated(run))


def _saturated(run: Run) -> dict[str, Any]:
    found = saturated(run.stand(), _seconds(run))
    _say_load("platform", found)
    return found


def _say_load(name: str, report: dict[str, Any]) -> None:
    say(
        f"  {name:12} {report['per_second']:8.1f} issued a second, p50 {report['p50']} ms, p99 {report['p99']} ms; "
        f"the generator took {report['generator_us']} µs CPU each"
    )


def saturated(stand: Stand, seconds: float) -> dict[str, Any]:
    """The platform as fast as 32 connections drive it. `cpu_us`: of its process for each invoice, from request to confirmed,
    less what it takes with nothing to do (its loops go by the bureau's clock, ten times as often as in earnest); `gross_us`:
    with that."""
    stand.load("warm", count=200)
    stand.bench.wait_settled(SETTLE_SECONDS)
    idle = _cpu_rate(stand, 1.5)
    began, before = time.perf_counter(), cpu_seconds(stand.pid)
    report = stand.load("full", seconds=seconds)
    left = stand.bench.wait_settled(SETTLE_SECONDS)
    assert left == 0, f"{left} invoices were not confirmed"
    assert not report["others"], report
    spent, elapsed = cpu_seconds(stand.pid) - before, time.perf_counter() - began
    net = (spent - idle * elapsed) / report["ok"] * 1e6
    return {**report, "cpu_us": net, "gross_us": spent / report["ok"] * 1e6}


def _cpu_rate(stand: Stand, seconds: float) -> float:
    """Seconds of CPU a second, of a platform that is left alone."""
    before = cpu_seconds(stand.pid)
    time.sleep(seconds)
    return (cpu_seconds(stand.pid) - before) / seconds


def accepted_later(stand: Stand, seconds: float) -> dict[str, Any]:
    """The platform when it may number later: accepted and stored a second. Last of all: what it leaves takes long to be numbered."""
    return stand.load("later", seconds=seconds, later=1)


def conventional_rate(stand: Stand, seconds: float, *, ours: bool) -> dict[str, Any]:
    with conventional(stand, ours) as url:
        load(url, "-", stand.bench.seller, "warm", count=20, connections=8)
        return load(url, "-", stand.bench.seller, "full", seconds=seconds)


def uploader_rates(stand: Stand, backlog: int, patience: float) -> tuple[float, float]:
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
    bench.wait_settled(patience)
    return alone, beside


def _fall_behind(stand: Stand, prefix: str, backlog: int) -> int:
    """Issue while nobody listens at the bureau's address; how many wait."""
    stand.bench.bureau.kill()
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


# What accepting leaves behind takes long to be numbered: it comes last.
ROWS = (
    Row("cpu_over_parts_sqlite", "≤ 1.8", cpu_over_parts),
    Row("over_conventional", "≥ 15", over_conventional),
    Row("over_conventional_same_sm2", "", over_conventional_same_sm2),
    Row("uploader_share", "≥ 0.4", uploader_share),
    Row("hanging_over_up_p99", "≤ 1.2", hanging_over_up),
    Row("async_over_sync", "≥ 2.5", async_over_sync),
)
