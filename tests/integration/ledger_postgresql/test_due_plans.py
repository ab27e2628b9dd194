"""What is due is found by the index that was made for it, however the states are spread."""

from __future__ import annotations

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao.ledger.postgresql import due_statements as sql
from ledger_books import Books
from postgresql_server import database_url, emptied

from .conftest import WithBooks


@pytest.mark.parametrize("every", [1, 2, 400])
def test_no_taxpayers_invoices_are_read_one_by_one_until_a_due_one_is_met(with_books: WithBooks, every: int) -> None:
    async def test(books: Books) -> None:
        block = await books.block(1000)
        for start in range(0, 1000, 500):
            await books.admit(*(books.order(block, i) for i in range(start, start + 500)))
        settings = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}  # those of every session
        connection = await asyncpg.connect(database_url(), server_settings=settings)
        await connection.execute("UPDATE invoice SET state = 'confirmed', next_at = NULL")
        await connection.execute("UPDATE invoice SET state = 'unknown', next_at = id WHERE id % $1 = 0", every)
        await connection.execute("ANALYZE")
        rows = await connection.fetch(f"EXPLAIN {sql.DUE}", "unknown", 2**60, 4000, 200, None)
        await connection.close()
        await emptied(database_url())  # what was changed by hand contradicts the books
        plan = "\n".join(row[0] for row in rows)
        assert plan.count("invoice_waiting") >= 2, plan  # from taxpayer to taxpayer
        assert "invoice_made" not in plan, plan
        assert "Seq Scan on invoice" not in plan, plan

    with_books(test)
