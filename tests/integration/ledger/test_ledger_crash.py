"""Killed, cut off, overwritten, locked out: the SQLite ledger loses no acknowledged order, or says clearly what is wrong."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kaipiao.errors import DirectoryInUse, LedgerDamaged, LedgerFault
from kaipiao.ledger.audit import read_trail
from kaipiao.ledger.port import InvoiceRecord
from kaipiao.ledger.sqlite import SqliteLedger
from kaipiao.ledger.sqlite.files import DATABASE, connect_reader
from ledger_books import NOW, TAXPAYER, Books, LeaseClock, books_of

CLIENT = Path(__file__).with_name("ledger_crash_client.py")


async def sound_records(directory: Path) -> dict[str, InvoiceRecord]:
    """Everything in the ledger, after its sums, its trail and every document were looked at."""
    ledger = SqliteLedger(directory)
    await ledger.open()
    try:
        assert await ledger.check_counts() == []
        assert (await read_trail(ledger, lambda head: True)).sound
        records = {r.order: r async for r in ledger.export()}
        documents = await ledger.documents(TAXPAYER, [r.id for r in records.values()])
        assert len(documents) == len(records)
        return records
    finally:
        await ledger.close()


def acknowledged(log: Path) -> dict[str, str]:
    lines = log.read_text().splitlines() if log.exists() else []
    pairs = (line.split() for line in lines)
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def kill_after(directory: Path, log: Path, run: int, more: int) -> None:
    """Start the client, kill it -9 once it had so many more orders acknowledged."""
    before = len(acknowledged(log))
    process = subprocess.Popen([sys.executable, str(CLIENT), str(directory), str(log), str(run)])
    try:
        give_up = time.monotonic() + 30
        while len(acknowledged(log)) < before + more:
            assert process.poll() is None, "the client ended by itself"
            assert time.monotonic() < give_up, "the client admits nothing"
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_kill_9_during_admission_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    directory, log = tmp_path / "data", tmp_path / "log"
    chance = random.Random(1)
    for run in range(1, 5):
        kill_after(directory, log, run, chance.randint(1, 150))
        records = asyncio.run(sound_records(directory))
        orders = acknowledged(log)
        assert {order: records[order].number for order in orders} == orders
        assert len({r.number for r in records.values()}) == len(records)


def test_a_wal_that_is_cut_anywhere_leaves_whole_commits_only(tmp_path: Path) -> None:
    directory, log = tmp_path / "data", tmp_path / "log"
    kill_after(directory, log, 1, 60)
    wal = (directory / f"{DATABASE}-wal").read_bytes()
    assert len(wal) > 100_000
    chance = random.Random(2)
    last = -1
    for cut in sorted(chance.randrange(len(wal)) for _ in range(6)):
        copy = tmp_path / f"cut-{cut}"
        shutil.copytree(directory, copy)
        (copy / f"{DATABASE}-wal").write_bytes(wal[:cut])
        found = len(asyncio.run(sound_records(copy)))
        assert found >= last
        last = found
    assert last >= 0


def test_a_wal_whose_end_is_garbage_leaves_whole_commits_only(tmp_path: Path) -> None:
    directory, log = tmp_path / "data", tmp_path / "log"
    kill_after(directory, log, 1, 30)
    path = directory / f"{DATABASE}-wal"
    path.write_bytes(path.read_bytes() + random.Random(3).randbytes(50_000))
    assert len(asyncio.run(sound_records(directory))) >= len(acknowledged(log))


async def filled(directory: Path, count: int = 300) -> None:
    ledger = SqliteLedger(directory, "w")
    await ledger.open()
    books = Books(ledger, ledger, LeaseClock())
    block = await books.block(count)
    await books.admit(*(books.order(block, i) for i in range(count)))
    await ledger.close()


def open_error(directory: Path) -> LedgerFault:
    async def attempt() -> None:
        ledger = SqliteLedger(directory)
        await ledger.open()
        await ledger.close()

    with pytest.raises(LedgerFault) as caught:
        asyncio.run(attempt())
    return caught.value


@pytest.mark.parametrize("content", [b"not a database at all " * 500, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_said_to_be_damaged(tmp_path: Path, content: bytes) -> None:
    tmp_path.joinpath(DATABASE).write_bytes(content)
    error = open_error(tmp_path)
    assert isinstance(error, LedgerDamaged)
    assert error.next_step.zh
    assert tmp_path.joinpath(DATABASE).read_bytes() == content


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = tmp_path.joinpath(DATABASE).read_bytes()
    assert isinstance(open_error(tmp_path), LedgerDamaged)
    assert tmp_path.joinpath(DATABASE).read_bytes() == before


def test_a_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    asyncio.run(filled(tmp_path, 1))
    with sqlite3.connect(tmp_path / DATABASE) as connection:
        connection.execute("INSERT INTO migration VALUES ('9999_pre_future.sql', 0)")
    connection.close()
    assert "9999_pre_future.sql" in str(open_error(tmp_path))


def test_pages_that_were_overwritten_are_reported_and_never_read_as_true(tmp_path: Path) -> None:
    asyncio.run(filled(tmp_path))
    path = tmp_path / DATABASE
    content = bytearray(path.read_bytes())
    content[20 * 4096 : -4096] = b"\xa5" * (len(content) - 21 * 4096)
    path.write_bytes(content)

    async def read() -> None:
        ledger = SqliteLedger(tmp_path)
        try:
            await ledger.open()
            await ledger.check_counts()
        finally:
            await ledger.close()

    with pytest.raises(LedgerDamaged):
        asyncio.run(read())


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    not_a_directory = tmp_path / "file"
    not_a_directory.write_text("x")
    for directory in (not_a_directory, tmp_path / "missing" / "child"):
        assert open_error(directory).facts["directory"] == str(directory)


def as_nobody(work: Callable[[], None]) -> int:
    """Run in a child that root's rights do not help; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        work()
        os._exit(0)
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(1)


@pytest.fixture
def open_to_all(tmp_path: Path) -> Iterator[Path]:
    """A directory that another user can reach."""
    changed = [(p, p.stat().st_mode) for p in (tmp_path, tmp_path.parent, tmp_path.parent.parent)]
    for path, mode in changed:
        path.chmod(mode | 0o055)
    yield tmp_path / "data"
    for path, mode in changed:
        path.chmod(mode)


def test_a_read_only_directory_is_refused_with_the_reason(open_to_all: Path) -> None:
    asyncio.run(filled(open_to_all, 1))
    for path in open_to_all.iterdir():
        path.chmod(0o444)
    open_to_all.chmod(0o555)

    def work() -> None:
        error = open_error(open_to_all)
        assert not isinstance(error, LedgerDamaged)
        assert error.facts["directory"] == str(open_to_all)

    assert as_nobody(work) == 0


def test_a_second_process_is_told_that_the_directory_is_in_use(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys, pathlib\n"
        "from kaipiao.errors import DirectoryInUse\n"
        "from kaipiao.ledger.sqlite import SqliteLedger\n"
        "try: asyncio.run(SqliteLedger(pathlib.Path(sys.argv[1])).open())\n"
        "except DirectoryInUse: sys.exit(42)\n"
    )

    async def hold() -> None:
        async with books_of("sqlite", tmp_path) as books:
            block = await books.block()
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(tmp_path / "data"))
            assert await process.wait() == 42
            await books.admit(books.order(block))
            with pytest.raises(DirectoryInUse):
                await SqliteLedger(tmp_path / "data").open()

    asyncio.run(hold())


def test_after_a_failed_opening_the_directory_is_free_again(tmp_path: Path) -> None:
    tmp_path.joinpath(DATABASE).write_bytes(b"garbage" * 1000)
    assert isinstance(open_error(tmp_path), LedgerDamaged)
    tmp_path.joinpath(DATABASE).unlink()
    asyncio.run(filled(tmp_path, 1))


def test_leases_survive_a_restart_and_a_clock_set_back(tmp_path: Path) -> None:
    """Time decides only how long one waits; the epoch decides who may write."""

    async def whole() -> None:
        clock = LeaseClock()
        first = SqliteLedger(tmp_path, "w1", lease_clock=clock)
        await first.open()
        block = await Books(first, first, clock).block()
        late = Books(first, first, clock).order(block, id=77)
        await first.close()
        clock.seconds -= 100_000
        second = SqliteLedger(tmp_path, "w2", lease_clock=clock)
        await second.open()
        assert await second.lease_block(TAXPAYER, "leqi", 2026, "b", 10, 30) is None
        assert await second.reclaim_blocks("a") == 1
        again = await second.lease_block(TAXPAYER, "leqi", 2026, "b", 10, 30)
        assert again is not None
        assert again.epoch > block.epoch
        results = await second.admit([late, replace(late, id=78, order="x", epoch=again.epoch, made_at=NOW)])
        assert [str(r.outcome) for r in results] == ["fenced", "admitted"]
        assert [tip[:2] for tip in await second.chain_tips()] == [("w2", 1)]
        await second.close()

    asyncio.run(whole())


def test_readers_never_write_and_never_make_a_checkpoint(tmp_path: Path) -> None:
    asyncio.run(filled(tmp_path, 5))
    connection = connect_reader(tmp_path / DATABASE)
    for statement in ("DELETE FROM invoice", "CREATE TABLE x (y)"):
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute(statement)
    connection.close()
