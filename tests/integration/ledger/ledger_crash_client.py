"""A process to be killed: admits without end and writes down every order that was acknowledged, before it goes on.

usage: ledger_crash_client.py DIRECTORY LOG RUN
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from kaipiao.ledger.port import Admission, AdmitOutcome, Block, QuotaRequest, SealedDocument, SegmentRequest
from kaipiao.ledger.sqlite import SqliteLedger

TAXPAYER, CHANNEL, YEAR, MONTH = "91330106MA2CFLDG4R", "leqi", 2026, "2026-03"
NOW = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
DOCUMENT = SealedDocument(b"x" * 2000, b"{}", b"d" * 32, b"s" * 70, "seal-1", "SM2-SM3")


async def block(ledger: SqliteLedger, run: int) -> Block:
    """Take back what the predecessor held, or pull more."""
    found = await ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "node", 50, 30)
    while found is None:
        request = SegmentRequest(TAXPAYER, CHANNEL, YEAR, f"n{run}-{os.urandom(4).hex()}", 500)
        request = await ledger.open_segment_request(request, NOW)
        start = (await ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).pulled + 1
        first, last = f"26{start:018d}", f"26{start + request.quantity - 1:018d}"
        await ledger.fill_segment(TAXPAYER, request.serial, first, last, NOW)
        found = await ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "node", 50, 30)
    return found


async def client(ledger: SqliteLedger, names: itertools.count[int], run: int, log: int, supply: asyncio.Lock) -> None:
    while True:
        async with supply:
            held = await block(ledger, run)
        for number in held.numbers:
            identity = run * 10_000_000 + next(names)
            admission = Admission(
                id=identity, taxpayer=TAXPAYER, order=f"order-{identity}", channel=CHANNEL, kind="special",
                content=b"{}", content_digest=b"c" * 32, amount=Decimal(1), tax=Decimal(0), total=Decimal(1),
                made_at=NOW, month=MONTH, number=number, block=held.id, epoch=held.epoch, quota=Decimal(1),
                document=DOCUMENT, next_at=NOW, deadline=NOW,
            )  # fmt: skip
            (result,) = await ledger.admit([admission])
            assert result.outcome is AdmitOutcome.ADMITTED, result
            os.write(log, f"{admission.order} {number}\n".encode())


async def uploader(ledger: SqliteLedger, run: int) -> None:
    for identity in itertools.count(run * 10_000_000):
        await ledger.begin_upload(identity, "w", TAXPAYER, CHANNEL, "node", 5, NOW)
        await asyncio.sleep(0.005)


async def main() -> None:
    directory, path, run = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ledger = SqliteLedger(directory)
    await ledger.open()
    await ledger.reclaim_blocks("node")
    await ledger.open_quota_request(QuotaRequest(TAXPAYER, CHANNEL, MONTH, f"q{run}", Decimal(10**6)), NOW)
    await ledger.fill_quota(TAXPAYER, f"q{run}", Decimal(10**6), NOW, NOW + timedelta(days=9), NOW)
    os.write(log, b"ready\n")
    names, supply = itertools.count(), asyncio.Lock()
    await asyncio.gather(uploader(ledger, run), *(client(ledger, names, run, log, supply) for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(main())
