"""What the modes cost while nothing happens: rounds of many taxpayers on SQLite, in processor time of the whole process.

usage: python benchmarks/mode_rounds.py [TAXPAYERS]      last line one JSON object; a round is due each second
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from kaipiao.authority.leqi.settings import CAPABILITIES
from kaipiao.clock import SystemClock
from kaipiao.issuing import budgets
from kaipiao.issuing.gate import Gate
from kaipiao.issuing.mode_controller import COUNTED_AT_ONCE, ModeController
from kaipiao.ledger.sqlite import SqliteLedger

ROUNDS = 20


async def measured(taxpayers: list[str], directory: Path) -> dict[str, float]:
    ledger = SqliteLedger(directory / "ledger.db", "bench")
    await ledger.open()
    try:
        return await _rounds(ledger, taxpayers)
    finally:
        await ledger.close()


async def _rounds(ledger: SqliteLedger, taxpayers: list[str]) -> dict[str, float]:
    gate = Gate(ledger, budgets.load(), {"leqi": "leqi"})
    modes = ModeController(
        ledger,
        gate,
        {"leqi": CAPABILITIES},
        lambda: {"leqi": {"https://leqi"}},
        [(taxpayer, "leqi") for taxpayer in taxpayers],
        SystemClock(),
        holds=lambda taxpayer: True,
        quota_until=lambda taxpayer, channel: datetime(2099, 1, 1, tzinfo=UTC),
    )
    await modes.open()
    for _ in range(len(taxpayers) // COUNTED_AT_ONCE):
        await modes.round()  # the hours are counted
    began = time.process_time()
    longest = 0.0
    for _ in range(ROUNDS):
        at = time.monotonic()
        await modes.round()
        longest = max(longest, time.monotonic() - at)
    each = (time.process_time() - began) / ROUNDS
    return {"taxpayers": len(taxpayers), "ms_each": round(each * 1000, 2), "longest_ms": round(longest * 1000, 2)}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(measured([f"91440300MA{n:08d}" for n in range(count)], Path(directory)))
    print(json.dumps({**found, "share_of_a_core": round(found["ms_each"] / 1000, 4)}))


if __name__ == "__main__":
    main()
