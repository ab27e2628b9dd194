"""Migrations, the schema, and plans of statements that are asked often."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from kaipiao.ledger.sqlite import due_statements as due_sql
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.migrations import migrate, schema
from kaipiao.ledger.sqlite.migrations import statements as split

PEOPLE = {"tenant", "account", "session_end", "access_state", "login_count", "token_revocation"}  # of the installation
ALARMS = {"alarm_desk", "alarm", "silence", "message"}  # of the installation: one may be about a taxpayer
NOT_BUSINESS = (
    {
        "request",
        "checkpoint",
        "outage",
        "outage_watch",
        "migration",
        "chain_tip",
        "chain_head",
        "node",
        "sqlite_stat1",
        "sqlite_stat4",
    }
    | PEOPLE
    | ALARMS
)
Rows = list[tuple[str, str, str]]


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    yield made
    made.close()


def objects(connection: sqlite3.Connection) -> Rows:
    found = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")
    return [(kind, name, re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", text))) for kind, name, text in found]


def test_all_migrations_together_equal_the_schema(connection: sqlite3.Connection) -> None:
    applied = migrate(connection)
    assert applied == sorted(applied)
    assert applied
    other = sqlite3.connect(":memory:", isolation_level=None)
    for statement in split(schema()):
        other.execute(statement)
    assert objects(connection) == objects(other)
    other.close()


def test_migrating_again_changes_nothing(connection: sqlite3.Connection) -> None:
    migrate(connection)
    before = objects(connection)
    assert migrate(connection) == []
    assert objects(connection) == before


def test_a_migration_that_fails_leaves_nothing_of_itself(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = [
        ("0001_pre_good.sql", "CREATE TABLE good (x);"),
        ("0002_pre_bad.sql", "CREATE TABLE bad (x);\nNONSENSE;"),
    ]
    monkeypatch.setattr("kaipiao.ledger.sqlite.migrations._scripts", lambda: iter(scripts))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection)
    assert [name for _, name, _ in objects(connection)] == ["good", "migration"]
    assert connection.execute("SELECT name FROM migration").fetchall() == [("0001_pre_good.sql",)]


def test_names_of_migrations_say_number_and_step() -> None:
    names = [f.name for f in (files("kaipiao.ledger.sqlite") / "migrations").iterdir() if f.name.endswith(".sql")]
    assert sorted(n[:4] for n in names) == [f"{i:04d}" for i in range(1, len(names) + 1)]
    assert all(n[5:].startswith(("pre_", "post_")) for n in names)


def test_every_business_table_begins_with_the_taxpayer_and_money_is_never_a_float(
    connection: sqlite3.Connection,
) -> None:
    migrate(connection)
    tables = [name for kind, name, _ in objects(connection) if kind == "table" and name not in NOT_BUSINESS]
    for table in tables:
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        assert columns[0][1] == "taxpayer", table
        assert {c[1] for c in columns if c[2] == "REAL"} <= {"lease_until"}, table


HOT = {
    "DUE_PAIRS": (sql.DUE_PAIRS, 1, "invoice_upload"),
    "FIRST_TO_UPLOAD": (sql.FIRST_TO_UPLOAD, 3, "invoice_upload"),
    "NEXT_TO_UPLOAD": (sql.NEXT_TO_UPLOAD, 4, "invoice_upload"),
    "DUE_OF": (due_sql.DUE_OF, 4, "invoice_waiting"),
    "DUE_ISSUED_OF": (due_sql.DUE_ISSUED_OF, 3, "invoice_upload"),
    "NEXT_WAITING": (due_sql.NEXT_WAITING, 2, "invoice_waiting"),
    "NEXT_WITH_ISSUED": (due_sql.NEXT_WITH_ISSUED, 1, "invoice_upload"),
    "ALARMING": (sql.ALARMING, 2, "invoice_open"),
    "OLDEST_IN_STATE": (sql.OLDEST_IN_STATE, 2, "invoice_open"),
    "OPEN_STATE_COUNT": (sql.OPEN_STATE_COUNT, 2, "invoice_open"),
    "ISSUED_SINCE": (sql.ISSUED_SINCE, 2, "invoice_made"),
    "LAST_MADE_AT": (sql.LAST_MADE_AT, 1, "invoice_made"),
    "NEXT_TAXPAYER": (sql.NEXT_TAXPAYER, 1, "invoice_"),
    "EVENTS_OF_ORDER": (sql.EVENTS_OF_ORDER, 4, "event_invoice"),
    "EVENTS_OF_TAXPAYER": (sql.EVENTS_OF_TAXPAYER, 3, "event_taxpayer"),
    "OPEN_UPLOADS": (sql.OPEN_UPLOADS, 2, "upload_open"),
    "OPEN_ATTEMPT": (sql.OPEN_ATTEMPT, 2, "attempt_invoice"),
    "PAGE": (sql.PAGE, 3, ""),
}


@pytest.mark.parametrize("name", sorted(HOT))
@pytest.mark.parametrize("analysed", [False, True])
def test_statements_that_are_asked_often_use_their_index(
    connection: sqlite3.Connection, name: str, analysed: bool
) -> None:
    migrate(connection)
    if analysed:
        fill(connection)
        connection.execute("ANALYZE")
    statement, count, index = HOT[name]
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", (None,) * count)]
    assert any(index in step for step in plan), plan
    assert not [step for step in plan if re.fullmatch(r"SCAN (invoice|event|attempt|upload)", step)], plan


def fill(connection: sqlite3.Connection) -> None:
    """2,000 invoices of five taxpayers, of which almost all are confirmed, with their events."""
    for i in range(1, 2001):
        taxpayer = f"t{i % 5}"
        state = "issued" if i % 100 == 0 else "unknown" if i % 100 == 1 else "confirmed"
        connection.execute(
            sql.INSERT_INVOICE,
            (taxpayer, i, f"o{i}", "leqi", "special", None, state, 1, 0, 1, 0, i, "2026-03", i, i, None, b"", b""),
        )
        for sequence in (1, 2, 3):
            row = (taxpayer, "w", i * 3 + sequence, "k", i, f"o{i}", i, "{}", b"", b"")
            connection.execute(sql.INSERT_EVENT, row)
        connection.execute(sql.INSERT_UPLOAD, (taxpayer, i, "w", "leqi", "n", i))
        connection.execute(
            "UPDATE upload SET ended_at = 1 WHERE taxpayer = ? AND id = ? AND id % 50 <> 0", (taxpayer, i)
        )
        connection.execute(sql.INSERT_ATTEMPT, (taxpayer, i, i))


def test_the_schema_is_shipped_with_the_package() -> None:
    assert "CREATE TABLE invoice" in schema()
    assert Path(str(files("kaipiao.ledger.sqlite"))).is_dir()


def test_no_statement_reads_all_entries_of_the_quota(connection: sqlite3.Connection) -> None:
    """Giving a predecessor's quota back did: 230 ms on the only writer for each million invoices, and nobody issued meanwhile."""
    migrate(connection)
    found = {name: text for name, text in vars(sql).items() if isinstance(text, str) and "quota_entry" in text}
    assert len(found) >= 4
    for name, text in found.items():
        parameters = (None,) * len(re.findall(r"\?", text))
        plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()
        assert not any(re.search(r"SCAN quota_entry|AUTOMATIC", step[3]) for step in plan), name
