"""Servers, and the way to them, for the tests of the PostgreSQL ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from kaipiao.ledger.audit import read_trail
from ledger_books import Books, books_of
from postgresql_server import Server, Unavailable, give_up, new_server

WithBooks = Callable[[Callable[[Books], Awaitable[None]]], None]


@pytest.fixture
def with_books(tmp_path: Path) -> WithBooks:
    """Run a test on two nodes; whatever it does, the sums and the trail must hold afterwards."""

    def run(test: Callable[[Books], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with books_of("postgresql", tmp_path) as books:
                await test(books)
                assert (await read_trail(books.ledger, lambda head: True)).sound

        asyncio.run(whole())

    return run


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that the tests of a module may stop, kill and start with other settings."""
    try:
        server = new_server()
    except Unavailable as error:
        give_up(str(error))
        raise
    yield server
    server.close()
