"""Lists from a real standby: only from L2 on, only while it follows closely; whatever happens to it, nobody sees an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao.errors import LedgerFault, ReplicaBehind, ReplicaUnfit
from kaipiao.ledger.lists import ListBooks
from kaipiao.ledger.port import InvoiceRecord
from kaipiao.ledger.postgresql import PostgresqlLedger
from kaipiao.ledger.postgresql.replica import Replica
from kaipiao.ledger.postgresql.standby import Place
from kaipiao.operations.degradation.ladder import Level
from kaipiao.operations.degradation.replica_watch import GOOD_LOOKS, ReplicaWatch
from kaipiao.operations.degradation.stale_reads import Found, StaleReads
from kaipiao.operations.degradation.state import undegraded
from kaipiao_lab.postgresql import new_standby
from ledger_books import TAXPAYER, Books, LeaseClock
from postgresql_server import Server, Unavailable, emptied, give_up

PATIENCE = 10.0  # seconds that a standby may take to follow here, where the machine is shared


@pytest.fixture(scope="module")
def standby(own_server: Server) -> Iterator[Server]:
    yield from _standby(own_server)


@pytest.fixture
def own_standby(own_server: Server) -> Iterator[Server]:
    """One that is no standby any more afterwards."""
    yield from _standby(own_server)


def _standby(own_server: Server) -> Iterator[Server]:
    try:
        server = new_standby(own_server)
    except Unavailable as error:
        give_up(str(error))
        raise
    yield server
    server.close()


@dataclass
class Line:
    """A ledger, a standby that it may list from, and who decides."""

    books: Books
    ledger: PostgresqlLedger
    replica: Replica
    watch: ReplicaWatch
    reads: StaleReads
    standby: Server

    async def follows(self) -> None:
        """Good looks until it may be read."""
        for _ in range(GOOD_LOOKS):
            await self.watch.look()
        assert self.watch.usable() is not None, self.watch.lag

    async def listed(self, work: Callable[[ListBooks], Awaitable[object]] | None = None) -> Found[object]:
        return await self.reads.read(work or (lambda books: books.page(TAXPAYER)), "auditor")

    async def orders(self) -> tuple[list[str], bool]:
        """(the orders listed, whether by the standby)."""
        found = await self.listed()
        assert isinstance(found.value, list)
        return [record.order for record in found.value if isinstance(record, InvoiceRecord)], found.behind is not None

    async def ask(self, statement: str) -> object:
        """On the standby itself."""
        connection = await asyncpg.connect(self.standby.url())
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    async def told(self) -> list[tuple[str, object]]:
        events = await self.ledger.platform_events()
        return [(one.kind, one.data["reason"]) for one in events if one.kind.startswith("replica.")]


@asynccontextmanager
async def line(
    primary: Server, standby: Server, *, level: Level = Level.L2, most: float = PATIENCE
) -> AsyncIterator[Line]:
    ledger = PostgresqlLedger(primary.url(), "node-a", pool_min=1, pool_max=8)
    await ledger.open()
    await emptied(primary.url())
    replica = Replica(standby.url(), ledger.place, "replica node-a")
    try:
        degradation = undegraded()
        await degradation.set_by_hand(level, "test", None)
        watch = ReplicaWatch(replica, most, ledger.append_events, "n1")
        reads = StaleReads(ledger, degradation, watch)
        yield Line(Books(ledger, ledger, LeaseClock()), ledger, replica, watch, reads, standby)
    finally:
        await replica.close()
        await ledger.close()


def test_lists_counts_and_the_trail_of_a_standby_are_those_of_the_primary(own_server: Server, standby: Server) -> None:
    async def story() -> None:
        async with line(own_server, standby) as one:
            block = await one.books.block()
            await one.books.admit(*(one.books.order(block, place) for place in range(5)))
            await one.follows()
            reads: tuple[Callable[[ListBooks], Awaitable[object]], ...] = (
                lambda books: books.page(TAXPAYER, limit=3, after=2),
                lambda books: books.page(TAXPAYER, kind="special"),
                lambda books: books.state_counts(TAXPAYER),
                lambda books: books.events(),
                lambda books: books.events(taxpayer=TAXPAYER, limit=2),
                lambda books: books.events(taxpayer=TAXPAYER, subject="order-2"),
                lambda books: books.platform_events(),
                lambda books: books.last_position(),
            )
            for work in reads:
                found = await one.listed(work)
                assert found.behind is not None
                assert found.value == await work(one.ledger)
            assert len((await one.orders())[0]) == 5

    asyncio.run(story())


def test_a_paused_standby_is_left_within_a_look_and_told_once_and_taken_again(
    own_server: Server, standby: Server
) -> None:
    async def story() -> None:
        async with line(own_server, standby) as one:
            block = await one.books.block()
            await one.books.admit(one.books.order(block))
            await one.follows()
            await one.ask("SELECT pg_wal_replay_pause()")
            await one.books.admit(one.books.order(block, 1))
            one.watch._most = 0.05
            await one.watch.look()
            assert one.watch.lag >= 0.05
            assert (await one.orders())[0] == ["order-2", "order-3"]
            assert not (await one.orders())[1]
            await one.watch.look()
            with pytest.raises(ReplicaBehind):
                await one.replica.look(0.02)
            await one.ask("SELECT pg_wal_replay_resume()")
            one.watch._most = PATIENCE
            await one.follows()
            assert (await one.orders()) == (["order-2", "order-3"], True)
            assert await one.told() == [("replica.lost", "KP-LEDGER-08"), ("replica.back", "KP-LEDGER-08")]

    asyncio.run(story())


def test_a_killed_standby_costs_nobody_an_answer_and_is_taken_again_when_it_is_back(
    own_server: Server, standby: Server
) -> None:
    async def story() -> None:
        async with line(own_server, standby) as one:
            block = await one.books.block()
            await one.books.admit(*(one.books.order(block, place) for place in range(5)))
            await one.follows()
            asked = [asyncio.ensure_future(one.orders()) for _ in range(40)]
            await asyncio.sleep(0)
            await asyncio.to_thread(standby.kill)
            asked += [asyncio.ensure_future(one.orders()) for _ in range(40)]
            answers = await asyncio.gather(*asked)
            assert {len(found) for found, _ in answers} == {5}
            assert answers[-1][1] is False
            await one.watch.look()
            await one.watch.look()
            assert [kind for kind, _ in await one.told()] == ["replica.lost"]
            await asyncio.to_thread(standby.start)
            await one.follows()
            assert (await one.orders())[1]

    asyncio.run(story())


def test_a_promoted_standby_is_refused_by_name(own_server: Server, own_standby: Server) -> None:
    async def story() -> None:
        async with line(own_server, own_standby) as one:
            await one.follows()
            await one.ask("SELECT pg_promote()")
            with pytest.raises(ReplicaUnfit) as refused:
                await one.replica.look(PATIENCE)
            assert (refused.value.code, refused.value.facts["reason"]) == ("KP-LEDGER-07", "recovery")
            assert (await one.orders())[1] is False
            await one.watch.look()
            assert await one.told() == [("replica.lost", "KP-LEDGER-07 recovery")]

    asyncio.run(story())


def test_a_server_that_is_no_standby_of_this_ledger_is_refused_by_name(own_server: Server, standby: Server) -> None:
    async def story() -> None:
        async with line(own_server, standby) as one:

            async def refusal(url: str, altered: Callable[[Place], Place] = lambda place: place) -> object:
                async def primary() -> Place:
                    return altered(await one.ledger.place())

                other = Replica(url, primary, "other")
                with pytest.raises(LedgerFault) as refused:
                    await other.look(PATIENCE)
                await other.close()
                assert other.seen is None
                return refused.value.facts["reason"]

            assert await refusal(own_server.url()) == "recovery"
            assert await refusal(standby.url(), lambda place: replace(place, system=1)) == "system"
            assert await refusal(standby.url("template1")) == "database"
            assert await refusal(standby.url(), lambda place: replace(place, timeline="00000009")) == "timeline"
            assert await refusal("postgresql://127.0.0.1:1/postgres") is not None

    asyncio.run(story())


def test_below_level_2_the_standby_is_looked_at_but_not_read(own_server: Server, standby: Server) -> None:
    """By the standby's own statistics."""
    scans = (
        "SELECT sum(seq_scan + coalesce(idx_scan, 0))::int FROM pg_stat_user_tables WHERE relname ~ '^(invoice|event)'"
    )

    async def story() -> None:
        async with line(own_server, standby, level=Level.L1) as one:
            block = await one.books.block()
            await one.books.admit(one.books.order(block))
            await one.follows()
            before = await one.ask(scans)
            assert (await one.orders()) == (["order-2"], False)
            await one.listed(lambda books: books.events())
            await one.replica.close()  # sessions that end report what they did
            assert await one.ask(scans) == before
            await one.follows()
            assert await one.replica.page(TAXPAYER)
            await one.replica.close()
            async with asyncio.timeout(PATIENCE):
                while await one.ask(scans) == before:
                    await asyncio.sleep(0.05)

    asyncio.run(story())
