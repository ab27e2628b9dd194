"""The PostgreSQL server of the tests: one for a whole run.

`KAIPIAO_TEST_POSTGRESQL=postgresql://…` names a server to use instead (`make test-postgresql URL=…`): the database named in
it is emptied between tests.
"""

from __future__ import annotations

import atexit
import os
from functools import cache

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao_lab.postgresql import Server, Unavailable, new_server

__all__ = ["OUTSIDE", "Server", "Unavailable", "database_url", "emptied", "give_up", "new_server", "server_or_skip"]

OUTSIDE = "KAIPIAO_TEST_POSTGRESQL"


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
    "taxpayer",
    "number_segment",
    "number_block",
    "number_entry",
    "order_key",
    "quota",
    "quota_request",
    "quota_entry",
    "invoice",
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
