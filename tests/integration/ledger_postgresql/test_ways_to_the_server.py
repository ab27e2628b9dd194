"""Silent ways, poolers in between, locks that somebody holds: each ends in time and says what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao.errors import LedgerBusy, LedgerFault
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.postgresql import PostgresqlLedger, session
from ledger_books import TAXPAYER, Books, advance
from postgresql_server import database_url

from .conftest import WithBooks
from .proxy import Proxy, proxied

Reads = Callable[[PostgresqlLedger], Awaitable[object]]
READS: dict[str, Reads] = {
    "find": lambda ledger: ledger.find(TAXPAYER, orders=["x"]),
    "page": lambda ledger: ledger.page(TAXPAYER),
    "state_counts": lambda ledger: ledger.state_counts(TAXPAYER),
    "events": lambda ledger: ledger.events(taxpayer=TAXPAYER),
    "open_uploads": lambda ledger: ledger.open_uploads(),
}


@asynccontextmanager
async def through_a_proxy(**options: float) -> AsyncIterator[tuple[Proxy, PostgresqlLedger]]:
    async with proxied(database_url()) as (proxy, url):
        ledger = PostgresqlLedger(url, "node-p", pool_min=3, pool_max=8, connect_timeout_s=1.0, **options)  # type: ignore[arg-type]
        await ledger.open()
        try:
            yield proxy, ledger
        finally:
            proxy.silent = False
            await ledger.close()


@pytest.mark.parametrize("read", sorted(READS))
def test_a_read_on_a_way_that_went_silent_is_answered_over_a_new_one(with_books: WithBooks, read: str) -> None:
    """The others at rest lead nowhere either: they are not tried one by one."""

    async def test(books: Books) -> None:
        async with through_a_proxy(read_s=0.3) as (proxy, ledger):
            expected = await READS[read](ledger)
            proxy.silence()
            assert await asyncio.wait_for(READS[read](ledger), 5) == expected
            assert ledger.sessions().used == 0

    with_books(test)


def test_a_read_from_a_server_that_says_nothing_ends_as_a_fault(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        async with through_a_proxy(read_s=0.3) as (proxy, ledger):
            proxy.silent = True
            with pytest.raises(LedgerFault):
                await asyncio.wait_for(ledger.page(TAXPAYER), 10)
            proxy.silent = False
            assert await ledger.page(TAXPAYER) == []

    with_books(test)


def test_opening_on_a_server_that_says_nothing_ends_as_a_fault() -> None:
    async def story() -> None:
        async with proxied(database_url()) as (proxy, url):
            proxy.silent = True
            with pytest.raises(LedgerFault):
                await asyncio.wait_for(PostgresqlLedger(url, connect_timeout_s=0.3).open(), 5)

    asyncio.run(story())


def test_a_pooler_in_between_is_refused_and_named(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        async with proxied(database_url()) as (proxy, url):
            proxy.other_process = True
            with pytest.raises(LedgerFault, match="PgBouncer") as caught:
                await PostgresqlLedger(url).open()
            assert caught.value.facts["reason"] == "pooler"

    with_books(test)


def test_a_pooler_that_refuses_our_settings_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PgBouncer answers to a setting that it was not told to pass over."""

    async def refuse(*_: object, **__: object) -> None:
        raise asyncpg.ProtocolViolationError("unsupported startup parameter: jit")

    monkeypatch.setattr(asyncpg, "connect", refuse)
    with pytest.raises(LedgerFault) as caught:
        asyncio.run(PostgresqlLedger("postgresql://127.0.0.1:1/x").open())
    assert caught.value.facts["reason"] == "pooler"


def test_a_lock_that_is_not_granted_in_time_is_said_and_nothing_is_stored(
    with_books: WithBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(session._SETTINGS, "lock_timeout", "200ms")

    async def test(books: Books) -> None:
        (record,) = await books.admit(books.order(await books.block()))
        ledger = PostgresqlLedger(database_url(), "node-l", pool_min=1, pool_max=8)
        await ledger.open()
        holder = await asyncpg.connect(database_url())
        async with holder.transaction():
            await holder.execute("SELECT 1 FROM invoice WHERE taxpayer = $1 FOR UPDATE", TAXPAYER)
            with pytest.raises(LedgerBusy) as caught:
                await ledger.advance([advance(record, State.EXPIRED)])
        assert caught.value.facts["reason"] == "55P03"
        assert await ledger.advance([advance(record, State.EXPIRED)]) == [True]
        await holder.close()
        await ledger.close()

    with_books(test)
