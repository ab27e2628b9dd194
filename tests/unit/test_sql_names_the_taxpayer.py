"""The linter of the ledger's SQL: nothing of the ledger offends it, and what it must catch it does catch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import lint_sql

TABLES = frozenset({"invoice", "event", "number_entry", "quota"})

GOOD = [
    "SELECT 1",
    "SELECT name FROM migration",
    "SELECT a FROM invoice WHERE taxpayer = ? AND id = ?",
    "select a from invoice where id = $2 and taxpayer = $1",
    "SELECT a FROM invoice WHERE ?1 = taxpayer",
    "SELECT a FROM main.invoice AS i WHERE i.taxpayer = ?1",
    'SELECT a FROM "invoice" i WHERE (i.taxpayer = $1::text) AND (state = $2 OR state = $3)',
    "SELECT a FROM invoice AS i JOIN unnest($1::text[], $2::bigint[]) AS w (taxpayer, id) ON i.taxpayer = w.taxpayer",
    "SELECT a FROM invoice i JOIN number_entry e ON e.taxpayer = i.taxpayer AND e.invoice = i.id WHERE i.taxpayer = ?",
    "SELECT (SELECT a FROM event AS e WHERE e.taxpayer = i.taxpayer) FROM invoice AS i WHERE i.taxpayer = $1",
    "SELECT a FROM quota AS q WHERE (q.taxpayer, q.month) = ($1, $2)",
    "SELECT a FROM event WHERE taxpayer = $1 UNION ALL SELECT a FROM event WHERE taxpayer = $1 AND at > $2",
    "INSERT INTO invoice (taxpayer, id) VALUES (?, ?)",
    "INSERT INTO quota AS q (taxpayer, month) VALUES ($1, $2) ON CONFLICT (taxpayer) DO UPDATE SET month = excluded.month",
    "INSERT INTO invoice (taxpayer, id) SELECT $1, max(id) FROM invoice WHERE taxpayer = $1",
    "UPDATE invoice SET state = 'x' WHERE taxpayer = ? AND id = ?",
    "UPDATE invoice AS i SET state = w.state FROM unnest($1::text[]) AS w (taxpayer) WHERE i.taxpayer = w.taxpayer",
    "DELETE FROM event WHERE taxpayer = ?",
    "SELECT a FROM invoice WHERE taxpayer = ? AND number IS DISTINCT FROM ? FOR UPDATE",
    "SELECT extract(epoch FROM clock_timestamp())",
    "CREATE INDEX x ON invoice (state)",
]

OFFENCES = [
    "SELECT a FROM invoice",
    "select a from invoice where id = ?",
    "SELECT a FROM invoice_2026_11 WHERE id = ?",
    'SELECT a FROM public."invoice" WHERE id = ?',
    "SELECT taxpayer FROM invoice WHERE state = 'taxpayer'",
    "SELECT a FROM invoice WHERE id = ? -- taxpayer = ?",
    "SELECT a FROM invoice WHERE id = ? /* taxpayer = ? */",
    "SELECT taxpayer = ? FROM invoice WHERE id = ?",
    "SELECT a FROM invoice WHERE taxpayer > ?",
    "SELECT a FROM invoice WHERE taxpayer <> ?",
    "SELECT a FROM invoice WHERE taxpayer = taxpayer",
    "SELECT a FROM invoice WHERE taxpayer = ? OR id = ?",
    "SELECT a FROM invoice WHERE (taxpayer = ? OR id = ?) AND state = ?",
    "SELECT a FROM invoice WHERE NOT (taxpayer = ?) AND state = ?",
    "SELECT a FROM invoice AS i JOIN number_entry AS e ON e.invoice = i.id WHERE i.taxpayer = ?",
    "SELECT a FROM invoice AS i JOIN number_entry AS e ON e.taxpayer = i.taxpayer AND e.invoice = i.id",
    "SELECT a FROM migration, invoice WHERE id = ?",
    "SELECT a FROM migration WHERE id IN (SELECT id FROM invoice)",
    "SELECT a FROM invoice WHERE taxpayer = ? AND id IN (SELECT invoice FROM event WHERE at > ?)",
    "WITH old AS (SELECT id FROM event) SELECT a FROM invoice WHERE taxpayer = $1",
    "SELECT a FROM event WHERE taxpayer = $1 UNION ALL SELECT a FROM event WHERE at > $2",
    "INSERT INTO invoice (id) VALUES (?)",
    "INSERT INTO invoice VALUES (?, ?)",
    "INSERT OR REPLACE INTO invoice (id, state) VALUES (?, ?)",
    "INSERT INTO invoice (taxpayer, id) SELECT $1, max(id) FROM invoice",
    "UPDATE invoice SET state = 'x' WHERE id = ?",
    "UPDATE invoice SET taxpayer = ? WHERE id = ?",
    "WITH done AS (UPDATE invoice SET state = 'x' WHERE id = $1) SELECT 1",
    "DELETE FROM event",
    "TRUNCATE event",
    "SELECT 1; DELETE FROM event WHERE at < 5",
    "SELECT a FROM {} WHERE taxpayer = ?",
]


def complaints(sql: str) -> list[str]:
    judge = lint_sql.Judge(TABLES)
    judge.judge(lint_sql.tree_of(sql))
    return [complaint for complaint, excuse in judge.complaints if excuse is None]


def report(tmp_path: Path, source: str, name: str = "some.py") -> lint_sql.Report:
    (tmp_path / name).write_text(source, "utf-8")
    found = lint_sql.Report()
    lint_sql.lint(tmp_path / name, TABLES, found)
    return found


def test_no_sql_of_the_ledger_touches_a_business_table_without_the_taxpayer() -> None:
    found = lint_sql.Report()
    for file in lint_sql.files():
        lint_sql.lint(file, lint_sql.business_tables(), found)
    assert [str(offence) for offence in found.offences] == []
    assert all("—" in excused.what for excused in found.excused)


def test_the_business_tables_are_read_from_the_schemas() -> None:
    found = lint_sql.business_tables()
    assert found >= {"invoice", "document", "number_entry", "order_key", "quota", "quota_entry", "event", "attempt"}
    assert not found & {"migration", "chain_tip", "chain_head", "event_base"}


@pytest.mark.parametrize("sql", GOOD)
def test_sql_that_names_the_taxpayer_is_left_alone(sql: str) -> None:
    assert complaints(sql) == []


@pytest.mark.parametrize("sql", OFFENCES)
def test_sql_that_does_not_is_refused(sql: str) -> None:
    assert lint_sql.is_sql(sql)
    assert complaints(sql)


@pytest.mark.parametrize(
    "source",
    [
        'A = "SELECT a FROM invoice WHERE id = ?"',
        'COLUMNS = "a, b"\nA = f"SELECT {COLUMNS} FROM invoice WHERE id = ?"',
        'A = f"SELECT a FROM {table} WHERE taxpayer = ?"',
        'A = "SELECT a FROM %s WHERE taxpayer = ?" % table',
        '_W = "WHERE id = ?"\nA = "SELECT a FROM invoice " + _W',
        'def f(c):\n    return c.execute("DELETE FROM event WHERE at < ?", (1,))',
        'def f(c):\n    if c.execute("SELECT a FROM invoice").fetchone():\n        return 1',
        'A = {"x": """\n  SELECT a FROM invoice\n"""}',
        'def f(sql="SELECT a FROM invoice"):\n    return sql',
    ],
)
def test_it_is_found_wherever_it_stands_in_a_module(tmp_path: Path, source: str) -> None:
    assert report(tmp_path, source + "\n").offences


@pytest.mark.parametrize(
    "source",
    [
        '"""Takes rows FROM invoice and tells of them."""',
        'A = "an invoice is taken from the list"',
        '_W = "WHERE taxpayer = ?"\nA = "SELECT a FROM invoice " + _W',
        'A = f"SELECT a FROM invoice WHERE taxpayer = ? AND at < {now()}"',
    ],
)
def test_prose_and_sound_statements_put_together_are_left_alone(tmp_path: Path, source: str) -> None:
    assert report(tmp_path, source + "\n").offences == []


@pytest.mark.parametrize(
    "source",
    [
        '# lint: all taxpayers: it is exported\nA = "SELECT a FROM invoice"',
        'A = "SELECT a FROM invoice"  # lint: all taxpayers: it is exported',
        'A = """\n-- lint: all taxpayers: it is exported\nSELECT a FROM invoice\n"""',
        'A = """\nSELECT 1 FROM (\n  -- lint: all taxpayers: it is exported\n  SELECT a FROM invoice) AS x\n"""',
    ],
)
def test_an_excuse_with_its_reason_is_listed(tmp_path: Path, source: str) -> None:
    found = report(tmp_path, source + "\n")
    assert found.offences == []
    assert ["it is exported" in excused.what for excused in found.excused] == [True]


@pytest.mark.parametrize(
    "source",
    [
        '# lint: all taxpayers:\nA = "SELECT a FROM invoice"',
        'A = """\n-- lint: all taxpayers:\nSELECT a FROM invoice\n"""',
        '# lint: all taxpayers: not needed\nA = "SELECT a FROM invoice WHERE taxpayer = ?"',
        '# lint: all taxpayers: of another\nA = 1\nB = "SELECT a FROM invoice"',
        'A = """\nSELECT a FROM invoice WHERE id IN (\n-- lint: all taxpayers: inside only\nSELECT id FROM event)\n"""',
    ],
)
def test_an_excuse_without_reason_without_need_or_elsewhere_excuses_nothing(tmp_path: Path, source: str) -> None:
    assert report(tmp_path, source + "\n").offences


def test_files_of_sql_are_judged_too(tmp_path: Path) -> None:
    source = "CREATE TABLE invoice (taxpayer TEXT, id INTEGER);\nUPDATE invoice SET id = 1;\n"
    assert report(tmp_path, source, "0003_post_x.sql").offences
    assert not report(tmp_path, source + "-- lint: all taxpayers: a migration\n", "0003_post_x.sql").offences
