"""What a ledger on a server tells an operator: its connections, and its commits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from kaipiao.ledger.pooling import Pooled, SessionCounts
from kaipiao.ledger.postgresql import PostgresqlLedger
from ledger_books import NOW, Books, LeaseClock
from postgresql_server import Server, Unavailable, give_up, new_server


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    try:
        server = new_server()
    except Unavailable as error:
        give_up(str(error))
        raise
    yield server
    server.close()


def test_connections_and_group_commits_are_told(own_server: Server) -> None:
    commits: list[tuple[int, float]] = []

    async def run() -> None:
        told = PostgresqlLedger(
            own_server.url(), pool_min=1, pool_max=8, on_commit=lambda size, seconds: commits.append((size, seconds))
        )
        assert isinstance(told, Pooled)
        assert told.sessions() == SessionCounts(0, 0, 0, 0)
        await told.open()
        try:
            books = Books(told, told, LeaseClock())
            block = await books.block()
            resting = told.sessions()
            assert resting.used == resting.waiting == 0
            assert 1 <= resting.idle <= resting.most == 8
            reads = [asyncio.create_task(told.due_pairs(NOW)) for _ in range(40)]
            await asyncio.sleep(0)
            busy = told.sessions()
            assert busy.used >= 1
            assert busy.idle + busy.used <= busy.most
            assert busy.waiting > 0
            await asyncio.gather(*reads)
            await asyncio.gather(*(books.admit(books.order(block, place)) for place in range(5)))
        finally:
            await told.close()

    asyncio.run(run())
    assert sum(size for size, _ in commits) == 5
    assert all(seconds > 0 for _, seconds in commits)
