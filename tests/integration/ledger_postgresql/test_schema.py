"""Migrations, the schema, partitions, plans."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao.errors import LedgerFault
from kaipiao.ledger.port import EventDraft
from kaipiao.ledger.postgresql import PostgresqlLedger, migrations
from kaipiao.ledger.postgresql import due_statements as due_sql
from kaipiao.ledger.postgresql import statements as sql
from ledger_books import NOW, TAXPAYER, Books, LeaseClock
from postgresql_server import database_url, server_or_skip

from .conftest import WithBooks

_OBJECTS = """
SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' '
    || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || ' ' || coalesce(l.collname, '') || ' ' || a.attnum
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND NOT (conrelid::regclass::text ~ '_\\d{4}_\\d\\d$')
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND NOT tablename ~ '_\\d{4}_\\d\\d$'
UNION ALL SELECT 'table', relname, relkind::text, coalesce(reloptions::text, '') || coalesce(pg_get_partkeydef(oid), '')
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY 1, 2, 3, 4
"""
PEOPLE = {"tenant", "account", "session_end", "access_state", "login_count", "token_revocation"}  # of the installation
NOT_BUSINESS = {
    "request",
    "checkpoint",
    "outage",
    "outage_watch",
    "migration",
    "migration_lock",
    "event_base",
    "chain_tip",
    "chain_head",
    "node",
    "shard_lock",
    "alarm_desk",
    "alarm",
    "silence",
    "message",
} | PEOPLE


@pytest.fixture
def new_database() -> Iterator[Callable[[], str]]:
    """Makes empty databases and drops them."""
    server = server_or_skip()
    names: list[str] = []

    def on_server(statement: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(server.url())
            await connection.execute(statement)
            await connection.close()

        asyncio.run(run())

    def make() -> str:
        names.append(f"t{secrets.token_hex(4)}")
        on_server(f"CREATE DATABASE {names[-1]}")
        return server.url(names[-1])

    yield make
    for name in names:
        on_server(f"DROP DATABASE {name} WITH (FORCE)")


def on(url: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def ledger_on(url: str) -> PostgresqlLedger:
    return PostgresqlLedger(url, pool_min=1, pool_max=8)


async def opened_and_closed(*ledgers: PostgresqlLedger) -> None:
    await asyncio.gather(*(ledger.open() for ledger in ledgers))
    await asyncio.gather(*(ledger.close() for ledger in ledgers))


def objects(url: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in on(url, lambda c: c.fetch(_OBJECTS))]


def test_all_migrations_together_equal_the_schema(new_database: Callable[[], str]) -> None:
    migrated, written = new_database(), new_database()
    asyncio.run(opened_and_closed(ledger_on(migrated)))
    on(written, lambda c: c.execute(migrations.schema()))
    assert objects(migrated) == objects(written)
    assert len(objects(migrated)) > 150


def test_nodes_that_start_at_once_migrate_once(new_database: Callable[[], str]) -> None:
    url = new_database()
    asyncio.run(opened_and_closed(*(ledger_on(url) for _ in range(4))))
    applied = [row[0] for row in on(url, lambda c: c.fetch("SELECT name FROM migration ORDER BY name"))]
    assert applied == sorted(name for name, _ in migrations.scripts())


def test_a_migration_that_fails_leaves_nothing_of_itself(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database()
    asyncio.run(opened_and_closed(ledger_on(url)))
    scripts = [*migrations.scripts(), ("9001_pre_good.sql", "CREATE TABLE good (x int);")]
    scripts.append(("9002_pre_bad.sql", "CREATE TABLE bad (x int); NONSENSE;"))
    monkeypatch.setattr(migrations, "scripts", lambda: iter(scripts))
    with pytest.raises(LedgerFault):
        asyncio.run(ledger_on(url).open())
    names = [row[0] for row in on(url, lambda c: c.fetch("SELECT name FROM migration ORDER BY name"))]
    assert names[-1] == "9001_pre_good.sql"
    assert on(url, lambda c: c.fetchval("SELECT to_regclass('bad')")) is None


def test_a_post_migration_waits_until_no_other_node_is_connected(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database()

    async def story() -> list[str]:
        old = PostgresqlLedger(url, "old", pool_min=1, pool_max=8)
        await old.open()
        more = [("9001_pre_more.sql", "CREATE TABLE more (x int);"), ("9002_post_less.sql", "DROP TABLE more;")]
        scripts = [*migrations.scripts(), *more]
        monkeypatch.setattr(migrations, "scripts", lambda: iter(scripts))
        await opened_and_closed(ledger_on(url))
        ((first,),) = await old._fetch("SELECT max(name) FROM migration")
        await old.close()
        await asyncio.sleep(0.1)
        await opened_and_closed(ledger_on(url))
        return [first]

    assert asyncio.run(story()) == ["9001_pre_more.sql"]
    assert on(url, lambda c: c.fetchval("SELECT max(name) FROM migration")) == "9002_post_less.sql"


def test_a_pre_migration_does_not_wait_behind_a_post_one(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new node beside old ones had no table `request`, because a `post` migration before it waited."""
    url = new_database()

    async def story() -> set[str]:
        old = PostgresqlLedger(url, "old", pool_min=1, pool_max=8)
        await old.open()
        more = [("9001_post_less.sql", "DROP TABLE request;"), ("9002_pre_more.sql", "CREATE TABLE more (x int);")]
        scripts = [*migrations.scripts(), *more]
        monkeypatch.setattr(migrations, "scripts", lambda: iter(scripts))
        await opened_and_closed(ledger_on(url))
        found = await old._fetch("SELECT name FROM migration WHERE name > '9'")
        await old.close()
        return {name for (name,) in found}

    assert asyncio.run(story()) == {"9002_pre_more.sql"}


def test_a_ledger_of_a_newer_version_is_refused(new_database: Callable[[], str]) -> None:
    url = new_database()
    asyncio.run(opened_and_closed(ledger_on(url)))
    on(url, lambda c: c.execute("INSERT INTO migration VALUES ('9999_pre_future.sql', 0)"))
    with pytest.raises(LedgerFault, match=r"9999_pre_future\.sql"):
        asyncio.run(ledger_on(url).open())


def test_names_of_migrations_say_number_and_step() -> None:
    folder = files("kaipiao.ledger.postgresql") / "migrations"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    assert [name[:4] for name in names] == [f"{i:04d}" for i in range(1, len(names) + 1)]
    assert all(name[5:].startswith(("pre_", "post_")) for name in names)


def test_every_business_table_begins_with_the_taxpayer_and_money_is_never_a_float(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    on(url, lambda c: c.execute(migrations.schema()))
    columns = [row for row in objects(url) if row[0] == "column" and row[1] not in NOT_BUSINESS]
    first = {table: column for _, table, column, kind in columns if kind.endswith(" 1")}
    assert set(first.values()) == {"taxpayer"}
    assert {row[2] for row in columns if "double" in row[3] or "real" in row[3]} <= {"lease_until"}


def test_every_month_has_its_partitions_and_everything_is_found_across_them(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        months = [NOW + timedelta(days=31 * i) for i in range(4)]
        records = await books.admit(
            *(books.order(block, i, made_at=at, month=f"2026-{3 + i:02d}") for i, at in enumerate(months))
        )
        assert await books.other.page(TAXPAYER) == records
        assert len(await books.other.documents(TAXPAYER, [r.id for r in records])) == 4
        events = await books.ledger.events(taxpayer=TAXPAYER)
        assert [e.at for e in events] == months
        await books.other.append_events([EventDraft("note", NOW + timedelta(days=400))])
        assert (await books.ledger.events())[-1].kind == "note"

    with_books(test)


def test_the_next_month_is_there_before_it_begins_in_shanghai(with_books: WithBooks) -> None:
    """The platform's clock says which month it is, months after it was started."""
    last_minute, first_instant = datetime(2031, 5, 31, 15, 59, tzinfo=UTC), datetime(2031, 5, 31, 16, 0, tzinfo=UTC)

    async def test(books: Books) -> None:
        block = await books.block()
        connection = await asyncpg.connect(database_url())
        await books.admit(books.order(block, 0, made_at=last_minute, month="2031-05"))
        async with asyncio.timeout(10):
            while await connection.fetchval("SELECT to_regclass('event_2031_06')") is None:
                await asyncio.sleep(0.02)
        await books.admit(books.order(block, 1, made_at=first_instant, month="2031-06"))
        held = "SELECT tableoid::regclass::text FROM event WHERE taxpayer = $1 ORDER BY at"
        assert [row[0] for row in await connection.fetch(held, TAXPAYER)] == ["event_2031_05", "event_2031_06"]
        await connection.close()

    with_books(test)


def test_a_reader_of_the_trail_passes_no_commit_that_is_still_under_way(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        await books.ledger.append_events([EventDraft("one", NOW)])
        slow = await asyncpg.connect(database_url())
        under_way = slow.transaction()
        await under_way.start()
        await slow.fetchval("SELECT pg_current_xact_id()")
        await books.ledger.append_events([EventDraft("two", NOW)])
        assert [e.kind for e in await books.other.events()] == ["one"]
        await under_way.rollback()
        await slow.close()
        assert [e.kind for e in await books.other.events()] == ["one", "two"]

    with_books(test)


def test_a_restored_database_goes_on_with_later_positions(new_database: Callable[[], str]) -> None:
    url = new_database()

    async def story() -> None:
        ledger = ledger_on(url)
        await ledger.open()
        await ledger.append_events([EventDraft("before", NOW)])
        await ledger.close()
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE event SET position = position + (1000000::bigint << 22)")
        await connection.close()
        again = ledger_on(url)
        await again.open()
        await again.append_events([EventDraft("after", NOW)])
        (before,) = await again.events(limit=1)
        assert [e.kind for e in await again.events(after=before.position)] == ["after"]
        await again.close()

    asyncio.run(story())


HOT: dict[str, tuple[str, tuple[Any, ...]]] = {
    "DUE_PAIRS": (sql.DUE_PAIRS, (1,)),
    "FIRST_TO_UPLOAD": (sql.FIRST_TO_UPLOAD, ("t", "leqi", 1)),
    "NEXT_TO_UPLOAD": (sql.NEXT_TO_UPLOAD, ("t", "leqi", 1, 100)),
    "DUE": (due_sql.DUE, ("unknown", 1, 100, 10, None)),
    "DUE_ISSUED": (due_sql.DUE_ISSUED, ("issued", 1, 100, 10, ["t"])),
    "OLDEST_IN_STATES": (sql.OLDEST_IN_STATES, ("t", ["issued"])),
    "ISSUED_SINCE": (sql.ISSUED_SINCE, ("t", 2**60)),
    "LAST_MADE_AT": (sql.LAST_MADE_AT, ()),
    "PAGE": (sql.PAGE, ("t", 5, 10)),
    "LIVE_BY_ORDERS": (sql.LIVE_BY_ORDERS, (["t"], [b"x"])),
    "BY_NUMBERS": (sql.BY_NUMBERS, ("t", ["1"])),
    "DOCUMENTS": (sql.DOCUMENTS, ("t", [1, 2])),
    "STANDING": (sql.STANDING, (["t"], [1])),
    "EVENTS": (sql.EVENTS, (5, 10)),
    "EVENTS_OF_TAXPAYER": (sql.EVENTS_OF_TAXPAYER, ("t", 5, 10)),
    "EVENTS_OF_SUBJECT": (sql.EVENTS_OF_SUBJECT, ("o", b"x", 0, 10)),
    "STATE_COUNTS": (sql.STATE_COUNTS, ("t",)),
    "EVENTS_OF_ORDER": (sql.EVENTS_OF_ORDER, ("t", "o", b"x", 0, 10)),
    "OPEN_UPLOADS": (sql.OPEN_UPLOADS, (None,)),
    "UNDER_WAY": (sql.UNDER_WAY, (["t"], [1])),
}


def test_statements_that_are_asked_often_read_no_table_from_end_to_end(with_books: WithBooks) -> None:
    async def test(books: Books) -> None:
        block = await books.block(2000)
        for start in range(0, 2000, 500):
            for record in await books.admit(*(books.order(block, i) for i in range(start, start + 500))):
                assert record.version == 1
        connection = await asyncpg.connect(
            database_url(), server_settings={"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
        )
        await connection.execute("UPDATE invoice SET state = 'confirmed' WHERE id % 50 <> 0")
        await connection.execute("DELETE FROM state_count")
        await connection.execute(
            "INSERT INTO state_count SELECT taxpayer, '', state, count(*) FROM invoice GROUP BY taxpayer, state"
        )
        await connection.execute("ANALYZE")
        for name, (statement, parameters) in HOT.items():
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *parameters))
            for table in ("invoice", "event", "document", "order_key", "number_entry", "attempt"):
                assert f"Seq Scan on {table}" not in plan.replace("event_base", "base"), f"{name}:\n{plan}"
        await connection.close()

    with_books(test)


def test_statistics_are_gathered_after_growth(with_books: WithBooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaipiao.ledger.postgresql.statistics.FIRST_GROWTH", 50)

    async def test(books: Books) -> None:
        ledger = PostgresqlLedger(database_url(), "g", pool_min=1, pool_max=8, lease_clock=LeaseClock())
        await ledger.open()
        looked = "SELECT coalesce(max(analyze_count), 0) FROM pg_stat_all_tables WHERE relname = 'invoice'"
        ((before,),) = await ledger._fetch(looked)
        block = await books.block(60)
        await ledger.admit([books.order(block, i) for i in range(60)])
        await ledger.close()
        async with asyncio.timeout(5):
            while True:
                ((after,),) = await books.ledger._fetch(looked)  # type: ignore[attr-defined]
                if after > before:
                    break
                await asyncio.sleep(0.05)

    with_books(test)
