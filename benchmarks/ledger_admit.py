"""µs per admission of the SQLite ledger, alone and in groups of 100, beside a bare sqlite3 insert of the same bytes in the
same run (WAL, FULL, one table, one commit per group). Trust the ratio, not the figures.

usage: python benchmarks/ledger_admit.py [GROUPS]
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from kaipiao.ledger.port import Admission, AdmitOutcome, QuotaRequest, SealedDocument, SegmentRequest
from kaipiao.ledger.sqlite import SqliteLedger

NOW = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
TAXPAYER, CHANNEL = "91330106MA2CFLDG4R", "leqi"
CONTENT, XML, INVOICE = b"c" * 900, b"x" * 3000, b"i" * 1500
DOCUMENT = SealedDocument(XML, INVOICE, b"d" * 32, b"s" * 71, "seal-1", "SM2-SM3")


def admission(i: int, number: str, block: int, epoch: int) -> Admission:
    order = f"{i * 2654435761 % 2**32:08x}-{i}"
    return Admission(
        id=i + 1, taxpayer=TAXPAYER, order=order, channel=CHANNEL, kind="special", content=CONTENT,
        content_digest=b"d" * 32, amount=Decimal(100), tax=Decimal(13), total=Decimal(113), made_at=NOW,
        month="2026-03", number=number, block=block, epoch=epoch, quota=Decimal(100), document=DOCUMENT, next_at=NOW,
        deadline=NOW + timedelta(hours=48),
    )  # fmt: skip


async def numbers(ledger: SqliteLedger, count: int) -> list[tuple[str, int, int]]:
    await ledger.open_segment_request(SegmentRequest(TAXPAYER, CHANNEL, 2026, "s", count), NOW)
    await ledger.fill_segment(TAXPAYER, "s", f"26{1:018d}", f"26{count:018d}", NOW)
    await ledger.open_quota_request(QuotaRequest(TAXPAYER, CHANNEL, "2026-03", "q", Decimal(10**9)), NOW)
    await ledger.fill_quota(TAXPAYER, "q", Decimal(10**9), NOW, NOW + timedelta(days=20), NOW)
    block = await ledger.lease_block(TAXPAYER, CHANNEL, 2026, "bench", count, 3600)
    return [(number, block.id, block.epoch) for number in block.numbers] if block else []


async def platform(folder: Path, singles: int, groups: int) -> dict[str, tuple[float, float]]:
    """{what: (wall µs, CPU µs) per admission}; in groups 100 callers wait, each with one admission."""
    ledger = SqliteLedger(folder)
    await ledger.open()
    taken = await numbers(ledger, singles + groups * 100)
    orders = [admission(i, *t) for i, t in enumerate(taken)]
    results = {}
    wall, cpu = time.perf_counter(), time.process_time()
    for order in orders[:singles]:
        assert (await ledger.admit([order]))[0].outcome is AdmitOutcome.ADMITTED
    results["alone"] = per(singles, wall, cpu)
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(singles, len(orders), 100):
        answers = await asyncio.gather(*(ledger.admit([order]) for order in orders[start : start + 100]))
        assert all(answer[0].outcome is AdmitOutcome.ADMITTED for answer in answers)
    results["groups of 100"] = per(groups * 100, wall, cpu)
    await ledger.close()
    return results


def bare(folder: Path, singles: int, groups: int) -> dict[str, tuple[float, float]]:
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB, c BLOB, d BLOB)")
    results = {}
    wall, cpu = time.perf_counter(), time.process_time()
    for i in range(singles):
        connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", (i, str(i), CONTENT, XML, INVOICE))
    results["alone"] = per(singles, wall, cpu)
    wall, cpu = time.perf_counter(), time.process_time()
    for group in range(groups):
        connection.execute("BEGIN IMMEDIATE")
        for i in range(100):
            key = singles + group * 100 + i
            connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", (key, str(i), CONTENT, XML, INVOICE))
        connection.execute("COMMIT")
        if group % 10 == 9:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    results["groups of 100"] = per(groups * 100, wall, cpu)
    connection.close()
    return results


def per(count: int, wall: float, cpu: float) -> tuple[float, float]:
    return (time.perf_counter() - wall) / count * 1e6, (time.process_time() - cpu) / count * 1e6


def main() -> None:
    groups = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        base = bare(Path(folder), 500, groups)
        ours = asyncio.run(platform(Path(folder) / "data", 500, groups))
    report = {}
    for what in ours:
        print(f"{what}: ledger {ours[what][0]:.0f} µs wall, {ours[what][1]:.0f} µs CPU;"
              f" bare insert {base[what][0]:.0f} µs wall, {base[what][1]:.0f} µs CPU", file=sys.stderr)  # fmt: skip
        report[what] = round(ours[what][1] / base[what][1], 2)
    print(json.dumps({"cpu_over_bare": report}))


if __name__ == "__main__":
    main()
