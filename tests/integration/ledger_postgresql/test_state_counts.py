"""How many invoices stand in which state is told without counting them; two nodes and a new start keep it true."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import asyncpg  # type: ignore[import-untyped]

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.postgresql import PostgresqlLedger, migrations
from ledger_books import TAXPAYER, Books, advance
from postgresql_server import database_url

from .conftest import WithBooks


def test_counts_follow_every_kind_of_change_on_two_nodes(with_books: WithBooks) -> None:
    """The sums are compared with the invoices when the test is over, as after every test here."""

    async def test(books: Books) -> None:
        block = await books.block(20)
        first = await books.admit(*(books.order(block, i) for i in range(6)))
        waiting = books.unnumbered()
        await books.admit(waiting)
        await books.other.admit(
            [replace(books.order(block, 7), id=waiting.id, order=waiting.order, content=waiting.content)]
        )
        upload = await books.upload(3)
        assert upload is not None
        await books.other.advance([advance(record, State.UNKNOWN) for record in upload.records])
        rest = [record for record in first if record.id not in {r.id for r in upload.records}]
        assert await books.ledger.advance([advance(rest[0], State.EXPIRED)]) == [True]
        assert await books.other.advance([advance(rest[0], State.EXPIRED)]) == [False]
        await books.admit(books.order(block, 8, order=rest[0].order, replaces=rest[0].id))
        expected = {State.ISSUED: 4, State.UNKNOWN: 3, State.REPLACED: 1}
        assert await books.ledger.state_counts(TAXPAYER) == expected
        assert await books.other.state_counts(TAXPAYER) == expected

    with_books(test)


def test_a_node_that_opens_adds_up_while_others_go_on(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        block = await books.block(200)

        async def sell() -> None:
            for start in range(0, 200, 10):
                await asyncio.gather(*(books.ledger.admit([books.order(block, i)]) for i in range(start, start + 10)))

        async def open_and_close() -> None:
            for place in range(5):
                ledger = PostgresqlLedger(database_url(), f"node-{place}", pool_min=1, pool_max=8)
                await ledger.open()
                await ledger.close()

        await asyncio.gather(sell(), open_and_close(), open_and_close())
        assert await books.other.state_counts(TAXPAYER) == {State.ISSUED: 200}

    with_books(test)


def test_the_migration_counts_again_what_a_program_of_before_it_did_not(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        await books.admit(*(books.order(block, i) for i in range(5)))
        connection = await asyncpg.connect(database_url())
        await connection.execute("UPDATE state_count SET count = count + 3")
        async with connection.transaction():
            await connection.execute(dict(migrations.scripts())["0006_post_state_counts.sql"])
        await connection.close()
        assert await books.ledger.state_counts(TAXPAYER) == {State.ISSUED: 5}

    with_books(test)


def test_beside_a_program_that_does_not_count_the_counts_are_true_all_the_same(with_books: WithBooks) -> None:
    """While nodes of before the counts still run, the last migration waits: the invoices themselves are counted."""

    async def test(books: Books) -> None:
        block = await books.block()
        await books.admit(*(books.order(block, i) for i in range(5)))
        connection = await asyncpg.connect(database_url())
        migration = dict(migrations.scripts())["0006_post_state_counts.sql"]
        try:
            await connection.execute("DELETE FROM migration WHERE name = '0006_post_state_counts.sql'")
            await connection.execute("UPDATE state_count SET count = count + 3")
            assert await books.ledger.state_counts(TAXPAYER) == {State.ISSUED: 5}
            assert await books.ledger.check_counts() == []
        finally:
            await connection.execute("INSERT INTO migration VALUES ('0006_post_state_counts.sql', 0)")
        assert await books.ledger.state_counts(TAXPAYER) != {State.ISSUED: 5}
        async with connection.transaction():
            await connection.execute(migration)
        await connection.close()
        assert await books.ledger.state_counts(TAXPAYER) == {State.ISSUED: 5}

    with_books(test)


def test_what_is_stored_while_the_migration_counts_is_counted_once(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        block = await books.block(40)
        connection = await asyncpg.connect(database_url())
        lines = dict(migrations.scripts())["0006_post_state_counts.sql"].split(";")
        async with connection.transaction():
            deleted = next(place for place, line in enumerate(lines) if "DELETE" in line)
            await connection.execute(";".join(lines[: deleted + 1]))
            admitting = asyncio.create_task(books.admit(*(books.order(block, i) for i in range(5))))
            await asyncio.wait({admitting}, timeout=0.3)
            await connection.execute(";".join(lines[deleted + 1 :]))
        await admitting
        await connection.close()
        assert await books.ledger.state_counts(TAXPAYER) == {State.ISSUED: 5}

    with_books(test)
