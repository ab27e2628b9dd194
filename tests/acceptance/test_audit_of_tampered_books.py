"""Somebody with the file and a SQL tool changes the trail of events: `kaipiao audit verify` names the place."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import Done, kaipiao

from kaipiao_lab.bench import Bench
from kaipiao_lab.sales import Sales

EVENTS = 6  # of the writer that is tampered with; enough for a first, a middle and a last one


@pytest.fixture(scope="module")
def books(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that was used and properly closed, so that a signed head covers all of it."""
    home = tmp_path_factory.mktemp("audited") / "home"
    assert kaipiao("init", "-d", home, "--sandbox", bench.directory / "bureau.json", cwd=home.parent).code == 0
    sales = Sales(bench.seller, 77, "AUD")
    file = home.parent / "sales.ndjson"
    file.write_text("\n".join(json.dumps(sales.next()) for _ in range(EVENTS)), encoding="utf-8")
    assert kaipiao("issue", file, "-d", home, "--no-wait", cwd=home.parent).code == 0
    return home


@pytest.fixture
def copy(books: Path, tmp_path: Path) -> Path:
    return shutil.copytree(books, tmp_path / "home")


def writer_of(home: Path) -> str:
    with closing(sqlite3.connect(home / "ledger.db")) as db:
        found: str = db.execute("SELECT writer FROM event GROUP BY writer ORDER BY count(*) DESC").fetchone()[0]
        assert db.execute("SELECT count(*) FROM event WHERE writer = ?", (found,)).fetchone()[0] >= EVENTS
    return found


def tamper(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / "ledger.db")) as db, db:
        for statement in statements:
            assert db.execute(statement, {"writer": writer_of(home)}).rowcount > 0, statement


def verified(home: Path, *more: str) -> Done:
    return kaipiao("audit", "verify", "-d", home, *more, cwd=home.parent)


def first_break(home: Path, writer: str) -> dict[str, Any]:
    done = verified(home, "--json")
    assert done.code == 1, done.out + done.err
    assert not done.last()["sound"]
    found: dict[str, Any] = next(w for w in done.last()["writers"] if w["writer"] == writer)["first_break"]
    return found


EVENT = "writer = :writer AND sequence"
CHANGES: list[tuple[str, list[str], str, int]] = [
    ("altered data", [f"UPDATE event SET data = '{{}}' WHERE {EVENT} = 3"], "altered", 3),
    ("altered kind", [f"UPDATE event SET kind = 'confirmed' WHERE {EVENT} = 2"], "altered", 2),
    ("altered time", [f"UPDATE event SET at = at + 1 WHERE {EVENT} = 4"], "altered", 4),
    ("altered order", [f"UPDATE event SET subject = 'another' WHERE {EVENT} = 2"], "altered", 2),
    ("two altered", [f"UPDATE event SET at = at - 1 WHERE {EVENT} IN (3, 5)"], "altered", 3),
    ("deleted", [f"DELETE FROM event WHERE {EVENT} = 3"], "missing", 3),
    ("first deleted", [f"DELETE FROM event WHERE {EVENT} = 1"], "missing", 1),
    (
        "reordered",
        [f"UPDATE event SET position = position + 1000000 WHERE {EVENT} = 3"],
        "moved",
        3,
    ),
    ("tail cut", [f"DELETE FROM event WHERE {EVENT} >= 5"], "cut", 5),
]


@pytest.mark.parametrize(("what", "statements", "kind", "sequence"), CHANGES, ids=[c[0] for c in CHANGES])
def test_the_first_changed_event_is_named(
    copy: Path, what: str, statements: list[str], kind: str, sequence: int
) -> None:
    writer = writer_of(copy)
    tamper(copy, *statements)
    found = first_break(copy, writer)
    assert (found["kind"], found["sequence"]) == (kind, sequence)
    again = first_break(copy, writer)  # looking at it has not covered it up
    assert (again["kind"], again["sequence"]) == (kind, sequence)


def test_the_place_is_said_in_both_languages(copy: Path) -> None:
    tamper(copy, f"UPDATE event SET data = '{{}}' WHERE {EVENT} = 3")
    assert "第 3 条" in verified(copy).out
    english = kaipiao("audit", "verify", "-d", copy, cwd=copy.parent, language="en_US.UTF-8")
    assert "event 3" in english.out


def test_a_signature_that_was_replaced_is_seen(copy: Path) -> None:
    tamper(copy, "UPDATE chain_head SET signature = zeroblob(70) WHERE writer = :writer")
    done = verified(copy, "--json")
    assert done.code == 1
    assert any(writer["bad_heads"] for writer in done.last()["writers"])


def test_untouched_books_are_sound(copy: Path) -> None:
    assert verified(copy).code == 0
