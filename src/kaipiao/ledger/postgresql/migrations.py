"""Migrations: numbered SQL files. `pre` ones may run while the program before this one still runs; `post` ones may not:
they wait until no other node is connected, or the database is new.

Nodes that start at once agree by the one row of `migration_lock`; no advisory lock. A lock that is not granted in time is
given up, so that a migration never stands in the way of issuing, and asked for again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from kaipiao.errors import LedgerFault
from kaipiao.language import Text
from kaipiao.ledger.postgresql.faults import SERIALISATION, code_of
from kaipiao.ledger.postgresql.session import Session

log = logging.getLogger(__name__)

PRODUCT = "kaipiao"  # how every node's connections are named in pg_stat_activity
_NAME = re.compile(r"\d{4}_(pre|post)_[a-z0-9_]+\.sql")
_RECORDS = """
CREATE TABLE IF NOT EXISTS migration (
    name text COLLATE "C" NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE IF NOT EXISTS migration_lock (
    id integer NOT NULL CHECK (id = 1),
    PRIMARY KEY (id)
);
INSERT INTO migration_lock (id) VALUES (1) ON CONFLICT DO NOTHING;
"""
_WAIT_FOR_OTHERS, _WAIT_FOR_TABLES = "60s", "5s"
_AGAIN = SERIALISATION | {"55P03", "23505", "42P07", "42710"}  # lock not granted; made by another node meanwhile
_ATTEMPTS = 10
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE $1 || ' %'
AND application_name <> current_setting('application_name')
"""
_RECORD = """
INSERT INTO migration (name, applied_at) VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
"""
# A restored database counts its transactions anew: positions of events must go on from where they were.
# lint: all taxpayers: positions are those of the whole trail
_RAISE_BASE = """
UPDATE event_base SET base = top.value + 1 - pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM (SELECT max(position) / 4194304 AS value FROM event) AS top
WHERE top.value >= base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""


async def migrate(session: Session) -> list[str]:
    """Apply what is missing, each in a transaction of its own. Returns the names of those applied here.

    Raises `LedgerFault` when the database was made by a newer program."""
    connection = session.connection
    if await connection.fetchval("SELECT to_regclass('migration_lock')") is None:
        await insist(lambda: connection.execute(_RECORDS))
    done = {row[0] for row in await connection.fetch("SELECT name FROM migration")}
    known = dict(scripts())
    if newer := sorted(done - known.keys()):
        raise LedgerFault(
            Text("账本由更新的版本创建", f"The ledger was made by a newer version ({newer[0]})"), migration=newer[0]
        )
    applied = [name for name in await _due(connection, known, done) if await _apply(connection, name, known[name])]
    await connection.execute(_RAISE_BASE)
    return applied


async def _due(connection: Any, known: dict[str, str], done: set[str]) -> list[str]:
    """While others are connected no `post` one; a `pre` one never needs a `post` one before it, and this program needs it."""
    missing = sorted(known.keys() - done)
    if done and missing and await connection.fetchval(_OTHERS, PRODUCT):
        for name in filter(_is_post, missing):
            log.warning("migration %s waits until no other node is connected", name)
        return [name for name in missing if not _is_post(name)]
    return missing


def _is_post(name: str) -> bool:
    return "_post_" in name


async def _apply(connection: Any, name: str, script: str) -> bool:
    """False when another node was faster."""

    async def once() -> bool:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{_WAIT_FOR_OTHERS}'")
            await connection.fetch("SELECT id FROM migration_lock WHERE id = 1 FOR UPDATE")
            if await connection.fetchval("SELECT 1 FROM migration WHERE name = $1", name):
                return False
            await connection.execute(f"SET LOCAL lock_timeout = '{_WAIT_FOR_TABLES}'")
            await connection.execute(script)
            await connection.execute(_RECORD, name)
            return True

    return bool(await insist(once))


async def insist(once: Any) -> Any:
    """Until the locks are granted."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await once()
        except Exception as error:  # judged by its code below
            if code_of(error) not in _AGAIN or attempt == _ATTEMPTS:
                raise
        await asyncio.sleep(0.2 * attempt)
    raise AssertionError("unreachable")


def schema() -> str:
    """The whole schema as it stands after all migrations."""
    return (files("kaipiao.ledger.postgresql") / "schema.sql").read_text("utf-8")


def scripts() -> Iterator[tuple[str, str]]:
    """(name, text) of every migration."""
    for file in (files("kaipiao.ledger.postgresql") / "migrations").iterdir():
        if file.name.endswith(".sql"):
            if not _NAME.fullmatch(file.name):
                raise ValueError(f"{file.name} is not a name of a migration")
            yield file.name, file.read_text("utf-8")
