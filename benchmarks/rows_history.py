"""Issuing with five million invoices in the ledger beside issuing with one million, in one run; see `history.py` for what the
past is made of. Two platforms, each with its bureau, are loaded in turns, so that both find the same machine. Each row takes
some minutes, most of them to make the past."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable

import history_postgresql
import history_sqlite
from history import SLICE, Past
from registry import Row, Run, say
from rows_embedded import SETTLE_SECONDS
from stand import Stand

from kaipiao_lab.postgresql import new_server
from kaipiao_lab.processes import wait_ready

FEW, MANY = 10 * SLICE, 50 * SLICE
ROUNDS, SECONDS = 5, 6.0
CHANNEL = "leqi"
Fill = Callable[[Stand, Past], None]


def on_postgresql(run: Run) -> float:
    server = new_server(shared_buffers="512MB", max_wal_size="8GB", checkpoint_timeout="30min")
    urls = [server.url(asyncio.run(history_postgresql.database(server.url(), name))) for name in ("few", "many")]
    few, many = (Stand(run.scratch() / url.rpartition("/")[2], url) for url in urls)

    def fill(stand: Stand, past: Past) -> None:
        asyncio.run(history_postgresql.fill(urls[stand is many], past))

    try:
        return _ratio(few, many, fill)
    finally:
        server.close()


def on_sqlite(run: Run) -> float:
    few, many = (Stand(run.scratch() / f"history-{name}") for name in ("few", "many"))
    return _ratio(few, many, lambda stand, past: history_sqlite.fill(stand.directory / "platform" / "ledger.db", past))


def _ratio(few: Stand, many: Stand, fill: Fill) -> float:
    try:
        for stand, end in ((few, FEW), (many, MANY)):
            _make(stand, fill, end)
        rates: dict[int, list[float]] = {FEW: [], MANY: []}
        for turn in range(ROUNDS):
            pair = [(few, FEW), (many, MANY)]
            for stand, end in pair if turn % 2 else reversed(pair):
                rates[end].append(_rate(stand, f"full{turn}"))
        for end, seen in rates.items():
            say(f"  {end} rows: {seen} issued a second")
    finally:
        few.bench.close()
        many.bench.close()
    return statistics.median(rates[MANY]) / statistics.median(rates[FEW])


def _make(stand: Stand, fill: Fill, end: int) -> None:
    """A platform that has done something, stopped, given its past, and started again."""
    stand.start()
    stand.load("first", count=50)  # what a month needs is there
    stand.bench.wait_settled(SETTLE_SECONDS)
    stand.bench.platform.stop()
    began = time.monotonic()
    fill(stand, Past(stand.bench.seller, CHANNEL, 0, end))
    say(f"  {end} made in {time.monotonic() - began:.0f} s")
    wait_ready(str(stand.bench.platform.start()["url"]))
    there = sum(stand.states().values())
    assert there >= end, f"{there} invoices instead of {end}"
    stand.load("warm", count=500)
    stand.bench.wait_settled(SETTLE_SECONDS)


def _rate(stand: Stand, prefix: str) -> float:
    report = stand.load(prefix, seconds=SECONDS)
    assert not report["others"], report
    assert stand.bench.wait_settled(SETTLE_SECONDS) == 0
    return float(report["per_second"])


ROWS = [
    Row("rows_5m_over_1m_postgresql", "≥ 0.8", on_postgresql, long=True),
    Row("rows_5m_over_1m_sqlite", "≥ 0.6", on_sqlite, long=True),
]
