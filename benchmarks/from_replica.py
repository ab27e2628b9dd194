"""What the primary spends on lists when a standby answers them, over what it spends when it answers them itself."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.ids import first_id
from kaipiao.ledger.port import Admission
from kaipiao.operations.degradation.ladder import Level
from kaipiao.operations.degradation.replica_watch import GOOD_LOOKS, ReplicaWatch
from kaipiao.operations.degradation.stale_reads import StaleReads
from kaipiao.operations.degradation.state import undegraded
from kaipiao_lab.postgresql import Server, new_server, new_standby

SELLER = "91330106MA2CFLDG4R"
INVOICES, LISTS, PAGE = 5_000, 400, 500
NOW = datetime(2026, 11, 3, 1, tzinfo=UTC)


def cpu_seconds(server: Server) -> float:
    """Of the server's processes that live now."""
    assert server.process is not None
    head = server.process.pid
    family = [str(head), *Path(f"/proc/{head}/task/{head}/children").read_text().split()]
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in family) / 1e9


def order(serial: int) -> Admission:
    return Admission(
        id=first_id(NOW) + serial, taxpayer=SELLER, order=f"A-{serial}", channel="leqi", kind="general", content=b"{}",
        content_digest=b"c" * 32, amount=Decimal(100), tax=Decimal(6), total=Decimal(106), made_at=NOW, month="2026-11",
        state=State.ACCEPTED,
    )  # fmt: skip


def measured() -> float:
    """Raises `Unavailable` and `ImportError` where there is no PostgreSQL."""
    primary = new_server()
    try:
        standby = new_standby(primary)
        try:
            return asyncio.run(_measured(primary, standby))
        finally:
            standby.close()
    finally:
        primary.close()


async def _measured(primary: Server, standby: Server) -> float:
    from kaipiao.ledger.postgresql import PostgresqlLedger  # noqa: PLC0415 — an extra
    from kaipiao.ledger.postgresql.replica import Replica  # noqa: PLC0415

    ledger = PostgresqlLedger(primary.url(), "node-1", pool_min=2, pool_max=16)
    await ledger.open()
    replica = Replica(standby.url(), ledger.place, "replica")
    try:
        for begin in range(0, INVOICES, 500):
            await ledger.admit([order(serial) for serial in range(begin, begin + 500)])
        degradation = undegraded()
        watch = ReplicaWatch(replica, 30.0, ledger.append_events, "node-1")
        reads = StaleReads(ledger, degradation, watch)
        spent = {}
        for level in (Level.NORMAL, Level.L2):
            await degradation.set_by_hand(level, "benchmark", None)
            for _ in range(GOOD_LOOKS):
                await watch.look()
            await asyncio.sleep(1.0)  # what was written comes to rest
            before, next_look = cpu_seconds(primary), 0.0
            for turn in range(LISTS):
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + await watch.look()
                after = first_id(NOW) + turn * PAGE % INVOICES - 1
                found = await reads.read(lambda books, a=after: books.page(SELLER, after=a, limit=PAGE), "auditor")  # type: ignore[misc]
                assert (found.behind is not None) == (level is Level.L2)
            spent[level] = cpu_seconds(primary) - before
        return spent[Level.L2] / spent[Level.NORMAL]
    finally:
        await replica.close()
        await ledger.close()
