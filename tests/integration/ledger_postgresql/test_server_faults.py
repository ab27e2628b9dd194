"""Killed, a standby, not durable, cancelled while waiting, silent: nothing acknowledged is lost, nothing in doubt is
answered, and a server that must not be written to is refused."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao.errors import LedgerFault, OutcomeUnknown
from kaipiao.ledger.audit import read_trail
from kaipiao.ledger.port import Admission, AdmitOutcome, ChainHead, SegmentRequest
from kaipiao.ledger.postgresql import PostgresqlLedger
from ledger_books import CHANNEL, NOW, TAXPAYER, YEAR, Books, LeaseClock, number
from postgresql_server import Server, emptied

CALLERS = 12
HEAD = ChainHead("w", 1, b"h" * 32, NOW, "k", b"s")


@asynccontextmanager
async def opened(server: Server, **options: object) -> AsyncIterator[PostgresqlLedger]:
    ledger = PostgresqlLedger(server.url(), pool_min=1, pool_max=8, **options)  # type: ignore[arg-type]
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


async def bench(server: Server, ledger: PostgresqlLedger) -> Books:
    await emptied(server.url())
    return Books(ledger, ledger, LeaseClock())


@dataclass
class Shop:
    """Callers that admit without end and remember what was acknowledged, and what is in doubt."""

    books: Books
    acknowledged: list[Admission] = field(default_factory=list)
    doubtful: list[Admission] = field(default_factory=list)
    names: itertools.count[int] = field(default_factory=itertools.count)

    async def sell(self) -> None:
        """Until the ledger fails."""
        await asyncio.gather(*(self._caller() for _ in range(CALLERS)))

    async def _caller(self) -> None:
        ledger = self.books.ledger
        while True:
            try:
                block = await ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "a", 10, 3600)
            except (LedgerFault, OutcomeUnknown):
                return
            assert block is not None
            for place in range(len(block.numbers)):
                order = self.books.order(block, place, order=f"sold-{next(self.names)}")
                try:
                    (result,) = await ledger.admit([order])
                except OutcomeUnknown:
                    self.doubtful.append(order)
                    return
                except LedgerFault:
                    return
                assert result.outcome is AdmitOutcome.ADMITTED
                self.acknowledged.append(order)


def test_kill_9_of_the_server_during_admission_loses_nothing_that_was_acknowledged(own_server: Server) -> None:
    async def story() -> None:
        async with opened(own_server) as ledger:
            books = await bench(own_server, ledger)
            await books.pull(100_000)
            shop = Shop(books)
            for enough in (100, 300):
                selling = asyncio.create_task(shop.sell())
                while len(shop.acknowledged) < enough:
                    await asyncio.sleep(0.001)
                await asyncio.to_thread(own_server.kill)
                await asyncio.wait_for(selling, 20)
                await asyncio.to_thread(own_server.start)
                await look(ledger, shop)
            assert shop.doubtful

    asyncio.run(story())


async def look(ledger: PostgresqlLedger, shop: Shop) -> None:
    """The same handle finds its way to the server again; what was in doubt is sent again as it was."""
    for order in shop.doubtful:
        (result,) = await ledger.admit([order])
        assert result.record is not None
        assert (result.record.id, result.record.number) == (order.id, order.number)
    orders = {order.order: order.number for order in (*shop.acknowledged, *shop.doubtful)}
    found = {record.order: record.number async for record in ledger.export()}
    assert {name: found.get(name) for name in orders} == orders
    assert len(set(found.values())) == len(found)
    assert await ledger.check_counts() == []
    assert (await read_trail(ledger, lambda head: True)).sound


def test_while_the_server_is_away_it_is_said_and_afterwards_it_goes_on(own_server: Server) -> None:
    async def story() -> None:
        async with opened(own_server) as ledger:
            books = await bench(own_server, ledger)
            block = await books.block()
            await asyncio.to_thread(own_server.stop)
            for attempt in (ledger.admit([books.order(block)]), ledger.find(TAXPAYER, orders=["x"])):
                with pytest.raises(LedgerFault):
                    await attempt
            await asyncio.to_thread(own_server.start)
            await books.admit(books.order(block))

    asyncio.run(story())


def refusal(server: Server) -> LedgerFault:
    async def attempt() -> None:
        async with opened(server):
            pass

    with pytest.raises(LedgerFault) as caught:
        asyncio.run(attempt())
    return caught.value


def test_a_server_that_does_not_wait_for_the_disk_is_refused(own_server: Server) -> None:
    own_server.stop()
    own_server.settings["synchronous_commit"] = "off"
    own_server.start()
    try:
        assert refusal(own_server).facts["reason"] == "durability"
    finally:
        own_server.stop()
        del own_server.settings["synchronous_commit"]
        own_server.start()


def test_a_standby_is_refused(own_server: Server) -> None:
    own_server.stop()
    signal_file = own_server.home / "data" / "standby.signal"
    signal_file.touch()
    own_server.start()
    try:
        assert refusal(own_server).facts["reason"] == "recovery"
    finally:
        own_server.stop()
        signal_file.unlink()
        own_server.start()


def test_durability_cannot_be_switched_off_under_an_open_ledger(own_server: Server) -> None:
    async def story() -> None:
        async with opened(own_server) as ledger:
            operator = await asyncpg.connect(own_server.url())
            await operator.execute("ALTER SYSTEM SET synchronous_commit = off")
            await operator.execute("SELECT pg_reload_conf()")
            try:
                await asyncio.sleep(0.3)
                ((setting,),) = await ledger._fetch("SELECT current_setting('synchronous_commit')")
                assert setting == "on"
            finally:
                await operator.execute("ALTER SYSTEM RESET synchronous_commit")
                await operator.execute("SELECT pg_reload_conf()")
                await operator.close()

    asyncio.run(story())


@asynccontextmanager
async def missing_standby(server: Server) -> AsyncIterator[asyncpg.Connection]:
    """Every commit waits for a standby that never comes; gives a connection that does not."""
    operator = await asyncpg.connect(server.url(), server_settings={"synchronous_commit": "local"})
    await operator.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    await operator.execute("SELECT pg_reload_conf()")
    try:
        await asyncio.sleep(0.3)
        yield operator
    finally:
        await operator.execute("ALTER SYSTEM RESET synchronous_standby_names")
        await operator.execute("SELECT pg_reload_conf()")
        await operator.close()


async def waits_for_the_standby(operator: asyncpg.Connection) -> int:
    """The process that does."""
    async with asyncio.timeout(10):
        while True:
            found: int | None = await operator.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name LIKE 'kaipiao%'"
            )
            if found is not None:
                return found
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("stop", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.parametrize("alone", [True, False])
def test_a_cancelled_wait_for_the_standby_is_in_doubt(own_server: Server, stop: str, alone: bool) -> None:
    """PostgreSQL then says COMMIT, with a warning only: locally committed, perhaps nowhere else."""

    async def story() -> None:
        async with opened(own_server) as ledger:
            books = await bench(own_server, ledger)
            block = await books.block()
            order = books.order(block)
            await books.admit(books.order(block, 1))  # the month's partitions are there
            async with missing_standby(own_server) as operator:
                work = ledger.admit([order]) if alone else ledger.save_head(HEAD)
                task = asyncio.ensure_future(work)
                while not task.done():  # what else the ledger does at its side may wait for the standby too
                    process = await waits_for_the_standby(operator)
                    await operator.execute(f"SELECT {stop}({process})")
                    await asyncio.wait({task}, timeout=1)
                with pytest.raises(OutcomeUnknown):
                    await task
            if alone:
                assert (await ledger.admit([order]))[0].outcome is AdmitOutcome.KNOWN

    asyncio.run(story())


def test_a_server_that_says_nothing_is_given_up_and_the_commit_is_in_doubt(own_server: Server) -> None:
    async def story() -> None:
        async with opened(own_server, silence_s=0.5) as ledger:
            books = await bench(own_server, ledger)
            block = await books.block()
            order = books.order(block)
            await books.admit(books.order(block, 1))
            async with missing_standby(own_server):
                with pytest.raises(OutcomeUnknown):
                    await ledger.admit([order])
            (again,) = await ledger.admit([order])
            assert again.record is not None
            assert again.record.number == order.number

    asyncio.run(story())


def test_limits_that_the_server_cannot_hold_are_told_and_two_nodes_work(own_server: Server) -> None:
    async def story() -> None:
        first, second = PostgresqlLedger(own_server.url()), PostgresqlLedger(own_server.url())
        await first.open()
        await second.open()
        try:
            assert [w.setting for w in first.warnings] == ["db.pool_max", "db.pool_min"]
            assert all("57" in w.text.en and "57" in w.text.zh for w in first.warnings)
            found = await asyncio.gather(*(n.find(TAXPAYER, orders=["x"]) for n in (first, second) for _ in range(90)))
            assert found == [[]] * 180
        finally:
            await first.close()
            await second.close()

    asyncio.run(story())


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1:1/x", "nonsense", "postgresql://nobody-at-all@{}/x"])
def test_what_cannot_be_reached_is_a_fault_that_says_so(own_server: Server, url: str) -> None:
    async def attempt() -> None:
        await PostgresqlLedger(url.format(f"127.0.0.1:{own_server.port}"), connect_timeout_s=3).open()

    with pytest.raises(LedgerFault):
        asyncio.run(attempt())


def test_closing_commits_everything_that_was_asked_for(own_server: Server) -> None:
    async def story() -> None:
        async with opened(own_server) as ledger:
            books = await bench(own_server, ledger)
            block = await books.block(200)
            tasks = [asyncio.create_task(ledger.admit([books.order(block, i)])) for i in range(200)]
            await asyncio.sleep(0)
            await ledger.close()
            assert {(await task)[0].outcome for task in tasks} == {AdmitOutcome.ADMITTED}
            for refused in (ledger.admit([books.order(block)]), ledger.find(TAXPAYER, orders=["x"])):
                with pytest.raises(LedgerFault):
                    await refused
            await ledger.open()
            assert len(await ledger.page(TAXPAYER, limit=1000)) == 200

    asyncio.run(story())


def test_leases_go_by_the_clock_of_the_database(own_server: Server) -> None:
    async def story() -> None:
        async with opened(own_server) as ledger:
            await emptied(own_server.url())
            await ledger.open_segment_request(SegmentRequest(TAXPAYER, CHANNEL, YEAR, "s", 10), NOW)
            await ledger.fill_segment(TAXPAYER, "s", number(1), number(10), NOW)
            assert await ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "a", 10, 0.3) is not None
            assert await ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 0.3) is None
            await asyncio.sleep(0.35)
            assert await ledger.lease_block(TAXPAYER, CHANNEL, YEAR, "b", 10, 0.3) is not None

    asyncio.run(story())
