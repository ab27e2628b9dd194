"""The layer below SQLite sees every fsync: a power cut takes what had none, and only that."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kaipiao_lab.powercut import restore
from kaipiao_lab.powercut.journal import Journal, Kind, Record, records
from kaipiao_lab.powercut.restore import Remainder

WRITER = Path(__file__).with_name("powercut_writer.py")
FILES = ("rows.db", "rows.db-wal")


def write_until(place: Path, care: str, rows: int) -> int:
    """Run the writer until it has said so many rows, kill it; the last row that it said."""
    restore.keep(place, place / "before", FILES)
    (place / "journal").unlink(missing_ok=True)
    words = [sys.executable, str(WRITER), str(place), care]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        said = [writer.stdout.readline() for _ in range(rows)]
        writer.kill()
        said += list(writer.stdout)
    return int([line for line in said if line.endswith("\n")][-1])


def cut(place: Path, remainder: Remainder, seed: int) -> int:
    return restore.cut(place, place / "before", records(place / "journal"), remainder, random.Random(seed))


def rows_of(place: Path) -> int:
    connection = sqlite3.connect(place / "rows.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found: int = connection.execute("SELECT count(*) FROM row").fetchone()[0]
        return found
    finally:
        connection.close()


def test_what_was_committed_with_our_settings_is_there_after_every_cut(tmp_path: Path) -> None:
    for turn, remainder in enumerate([Remainder.NOTHING, Remainder.CHANCE, Remainder.ALL, Remainder.CHANCE]):
        said = write_until(tmp_path, "FULL", 60)
        cut(tmp_path, remainder, turn)
        assert rows_of(tmp_path) >= said


def test_without_fsync_committed_rows_are_lost_so_the_test_is_not_blind(tmp_path: Path) -> None:
    assert write_until(tmp_path, "OFF", 60) >= 60
    assert cut(tmp_path, Remainder.NOTHING, 1) > 0
    connection = sqlite3.connect(tmp_path / "rows.db")
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'row'").fetchone() == (0,)
    connection.close()


def test_the_journal_of_a_process_that_was_killed_ends_with_its_last_whole_record(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    journal = Journal(file)
    made = [Record(Kind.OPEN, 1, data=b"/x/rows.db"), Record(Kind.WRITE, 1, 4096, b"a" * 100), Record(Kind.SYNC, 1)]
    for record in made:
        journal.append(record)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert list(records(file)) == made[: len(list(records(file)))]
    file.write_bytes(whole)
    assert list(records(file)) == made


@pytest.mark.parametrize("seed", range(20))
def test_sectors_that_were_synced_are_never_torn(tmp_path: Path, seed: int) -> None:
    (tmp_path / "before").mkdir()
    opened = Record(Kind.OPEN, 1, data=str(tmp_path / "rows.db").encode())
    synced, loose = Record(Kind.WRITE, 1, 100, b"s" * 3000), Record(Kind.WRITE, 1, 700, b"l" * 3000)
    done = [opened, synced, Record(Kind.SYNC, 1), loose, Record(Kind.TRUNCATE, 1, 3500)]
    chance = random.Random(seed)
    assert restore.cut(tmp_path, tmp_path / "before", done, Remainder.CHANCE, chance) == 2
    left = (tmp_path / "rows.db").read_bytes()
    assert left[100:700] == b"s" * 600
    assert set(left[700:3100]) <= set(b"sl")
    for sector in range(1024, 3072, 512):
        assert len(set(left[sector : sector + 512])) == 1
