"""The bureau's database: SQLite in WAL mode with synchronous FULL, so that what was answered survives a kill -9."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from kaipiao.authority.sandbox.settings import VirtualTaxpayer
from kaipiao.clock import ClockFunction
from kaipiao.errors import LedgerFault
from kaipiao.language import Text

FILE_NAME = "bureau.sqlite"
_SCHEMAS = ("schema.sql", "schema_2.sql")  # each leads to the next version


def open_store(path: Path) -> sqlite3.Connection:
    """Open or create the books. For one thread at a time; raises `LedgerFault` for a file that is not ours."""
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        _create(db)
    except sqlite3.DatabaseError as fault:
        raise LedgerFault(
            Text(f"沙箱账本无法打开：{path.name}", f"The sandbox's books cannot be opened: {path.name}")
        ) from fault
    return db


def _create(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_SCHEMAS):
        raise LedgerFault(Text("沙箱账本版本不符。", "The sandbox's books are of another version."))
    for at, name in enumerate(_SCHEMAS[version:], version + 1):
        schema = (files(__package__) / name).read_text(encoding="utf-8")
        db.executescript(f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA user_version={at};\nCOMMIT;")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, durable when it returns. Raises `LedgerFault` when the disk does not take it; nothing is stored."""
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")
    except sqlite3.OperationalError as fault:
        raise LedgerFault(Text("沙箱账本无法写入。", "The sandbox's books cannot be written.")) from fault
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def load_clock(db: sqlite3.Connection) -> ClockFunction | None:
    row = db.execute("SELECT value FROM meta WHERE key = 'clock'").fetchone()
    if row is None:
        return None
    anchor, shown, speed = (float(part) for part in row[0].split())
    return ClockFunction(anchor, shown, speed)


def save_clock(db: sqlite3.Connection, clock: ClockFunction) -> None:
    value = f"{clock.anchor!r} {clock.shown!r} {clock.speed!r}"
    db.execute("INSERT OR REPLACE INTO meta VALUES ('clock', ?)", (value,))


def taxpayer(db: sqlite3.Connection, tax_number: str) -> VirtualTaxpayer | None:
    row = db.execute("SELECT company FROM taxpayer WHERE tax_number = ?", (tax_number,)).fetchone()
    return VirtualTaxpayer.model_validate_json(row[0]) if row else None


def taxpayers(db: sqlite3.Connection) -> list[VirtualTaxpayer]:
    rows = db.execute("SELECT company FROM taxpayer ORDER BY position").fetchall()
    return [VirtualTaxpayer.model_validate_json(row[0]) for row in rows]


def save_taxpayer(db: sqlite3.Connection, company: VirtualTaxpayer) -> None:
    """Add a company or replace what is known of it; its place in the list stays."""
    db.execute(
        "INSERT INTO taxpayer VALUES (?, (SELECT COUNT(*) FROM taxpayer), ?)"
        " ON CONFLICT (tax_number) DO UPDATE SET company = excluded.company",
        (company.tax_number, company.model_dump_json()),
    )
