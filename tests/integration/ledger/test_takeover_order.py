"""A takeover raises the epoch first, committed, and counts the unused numbers only then (numbers_model.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kaipiao.ledger.port import AdmitOutcome
from kaipiao.ledger.sqlite import SqliteLedger
from ledger_books import CHANNEL, TAXPAYER, YEAR, Books, LeaseClock


def test_a_commit_that_was_under_way_at_a_takeover_is_not_counted_as_free(tmp_path: Path) -> None:
    """In one statement, or in the other order, the count would miss it."""

    async def story() -> None:
        clock = LeaseClock()
        ledger = SqliteLedger(tmp_path, "w1", lease_clock=clock)
        await ledger.open()
        try:
            books = Books(ledger, ledger, clock)
            await books.pull(10)
            block = await books.lease("a", 10)
            under_way = books.order(block, 3)
            clock.seconds += 60
            write: Callable[..., Any] = ledger._write

            async def busy(work: Callable[..., Any]) -> Any:
                ledger._write = write  # type: ignore[method-assign]
                results = await ledger.admit([under_way])
                assert results[0].outcome is AdmitOutcome.ADMITTED
                return await write(work)

            ledger._write = busy  # type: ignore[method-assign]
            taken = await ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 30)
            assert taken is not None
            assert under_way.number not in taken.numbers
            assert len(taken.numbers) == 9
        finally:
            await ledger.close()

    asyncio.run(story())
