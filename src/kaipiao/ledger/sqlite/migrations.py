"""Migrations: numbered SQL files. `pre` ones may run while the program before this one still runs; `post` ones may not.

One process has the file to itself here, so all of them run when it is opened.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from importlib.resources import files

from kaipiao.errors import LedgerFault
from kaipiao.language import Text

_NAME = re.compile(r"\d{4}_(pre|post)_[a-z0-9_]+\.sql")
_RECORD = "CREATE TABLE migration (\n    name TEXT NOT NULL PRIMARY KEY,\n    applied_at INTEGER NOT NULL\n) STRICT"


def migrate(connection: sqlite3.Connection) -> list[str]:
    """Apply what is missing, each migration in a transaction of its own. Returns the names of those applied.

    Raises `LedgerFault` when the file was made by a newer program.
    """
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").fetchone():
        connection.execute(_RECORD)
    done = {name for (name,) in connection.execute("SELECT name FROM migration")}
    known = dict(_scripts())
    if newer := sorted(done - known.keys()):
        raise LedgerFault(
            Text("账本由更新的版本创建", f"The ledger was made by a newer version ({newer[0]})"), migration=newer[0]
        )
    missing = [name for name in sorted(known) if name not in done]
    for name in missing:
        _apply(connection, name, known[name])
    return missing


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one at a time."""
    gathered = ""
    for line in script.splitlines(keepends=True):
        gathered += line
        if sqlite3.complete_statement(gathered):
            yield gathered.strip()
            gathered = ""


def schema() -> str:
    """The whole schema as it stands after all migrations."""
    return (files("kaipiao.ledger.sqlite") / "schema.sql").read_text("utf-8")


def _apply(connection: sqlite3.Connection, name: str, script: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements(script):
            connection.execute(statement)
        connection.execute("INSERT INTO migration (name, applied_at) VALUES (?, ?)", (name, time.time_ns() // 1000))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _scripts() -> Iterator[tuple[str, str]]:
    for file in (files("kaipiao.ledger.sqlite") / "migrations").iterdir():
        if file.name.endswith(".sql"):
            if not _NAME.fullmatch(file.name):
                raise ValueError(f"{file.name} is not a name of a migration")
            yield file.name, file.read_text("utf-8")
