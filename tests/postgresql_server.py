"""The PostgreSQL server of the tests: one for a whole run.

`KAIPIAO_TEST_POSTGRESQL=postgresql://…` names a server to use instead (`make test-postgresql URL=…`): the database named in
it is emptied between tests. It must hold nothing but what tests have made there: see `claim`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import re
from functools import cache
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao.ledger.postgresql.migrations import schema
from kaipiao_lab.postgresql import Server, Unavailable, new_server

__all__ = [
    "OUTSIDE",
    "NotForTests",
    "Server",
    "Unavailable",
    "claim",
    "database_url",
    "emptied",
    "give_up",
    "new_server",
    "outside",
    "server_or_skip",
]

OUTSIDE = "KAIPIAO_TEST_POSTGRESQL"
MARK = "kaipiao: the tests empty this database"
_HELD = """
SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND n.nspname !~ '^pg_(toast|temp)' AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
"""


class NotForTests(Exception):
    """The database holds something that the tests did not put there: they do not touch it."""


def outside() -> str | None:
    """The database that tests were told to use, without its password; None: they start a server by themselves."""
    if not (url := os.environ.get(OUTSIDE)):
        return None
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


def claim(url: str) -> None:
    """Take an empty database for tests, and mark it. Raises `NotForTests` for one that holds tables of others, or a ledger
    without the mark."""
    asyncio.run(_claim(url))


async def _claim(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        held = [f"{schema}.{name}" for schema, name in await connection.fetch(_HELD)]
        ours = {f"public.{name}" for name in re.findall(r"CREATE TABLE (\w+)", schema())}
        foreign = sorted(name for name in held if re.sub(r"_\d{4}_\d{2}$", "", name) not in ours)
        if foreign:
            raise NotForTests(f"it holds {', '.join(foreign[:5])}")
        look = "SELECT obj_description('public'::regnamespace, 'pg_namespace')"
        if held and await connection.fetchval(look) != MARK:
            raise NotForTests("it holds a ledger that the tests did not begin")
        await connection.execute(f"COMMENT ON SCHEMA public IS '{MARK}'")
    finally:
        await connection.close()


@cache
def _shared() -> Server | Unavailable:
    """One server for the whole run of tests, stopped when the run ends."""
    try:
        server = new_server()
    except (Unavailable, OSError, LookupError) as error:
        return Unavailable(str(error))
    atexit.register(server.close)
    return server


def give_up(reason: str) -> None:
    """In CI these tests must run; elsewhere they may be left out, which is said."""
    message = f"no PostgreSQL server to test against: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def server_or_skip() -> Server:
    """The shared server."""
    shared = _shared()
    if isinstance(shared, Unavailable):
        give_up(str(shared))
        raise shared
    return shared


def database_url() -> str:
    """A database to work in: that of `KAIPIAO_TEST_POSTGRESQL`, or one on the shared server."""
    return os.environ.get(OUTSIDE) or server_or_skip().url()


TABLES = [
    "tenant",
    "account",
    "session_end",
    "access_state",
    "login_count",
    "request",
    "token_revocation",
    "outage",
    "outage_watch",
    "checkpoint",
    "hour_total",
    "month_book",
    "finding",
    "alarm_desk",
    "alarm",
    "silence",
    "message",
    "taxpayer",
    "number_segment",
    "number_block",
    "number_entry",
    "order_key",
    "quota",
    "quota_request",
    "quota_entry",
    "invoice",
    "state_count",
    "document",
    "upload",
    "attempt",
    "event",
    "chain_tip",
    "chain_head",
    "shard",
    "node",
    "standing",
]


async def emptied(url: str) -> None:
    """Nothing is left in the ledger's tables (quicker than a database for every test)."""
    connection = await asyncpg.connect(url)
    await connection.execute("; ".join(f"DELETE FROM {table}" for table in TABLES))
    await connection.close()
