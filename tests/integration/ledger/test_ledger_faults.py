"""What the one writer does when the disk does not: faults of COMMIT, a full disk, a broken group, a caller that leaves."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from kaipiao.errors import Internal, LedgerFault, OutcomeUnknown
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.audit import read_trail
from kaipiao.ledger.port import AdmitOutcome, EventDraft
from kaipiao.ledger.sqlite import SqliteLedger, checkpoint, files, statistics
from ledger_books import CHANNEL, NOW, TAXPAYER, YEAR, Books, LeaseClock, books_of


class FaultyConnection(sqlite3.Connection):
    """A connection whose COMMIT fails as told, before or after it has taken place."""

    faults: list[tuple[int, bool]] = []  # noqa: RUF012 (set by each test)
    commits = 0

    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return super().execute(sql, parameters)  # type: ignore[arg-type]
        FaultyConnection.commits += 1
        if not FaultyConnection.faults:
            return super().execute(sql)
        code, stored = FaultyConnection.faults.pop(0)
        if code == sqlite3.SQLITE_OK:
            return super().execute(sql)
        if stored:
            super().execute(sql)
        error = sqlite3.OperationalError("injected")
        error.sqlite_errorcode = code
        error.sqlite_errorname = f"code {code}"
        raise error


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> type[FaultyConnection]:
    plain = sqlite3.connect

    def connect(file: object, **options: object) -> sqlite3.Connection:
        return plain(file, factory=FaultyConnection, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect)
    FaultyConnection.faults = []
    return FaultyConnection


def with_books(tmp_path: Path, test: Callable[[Books], object]) -> None:
    async def whole() -> None:
        async with books_of("sqlite", tmp_path) as books:
            await test(books)  # type: ignore[misc]
            assert (await read_trail(books.ledger, lambda head: True)).sound

    asyncio.run(whole())


@pytest.mark.parametrize("stored", [True, False])
def test_a_commit_in_doubt_is_said_to_be_and_can_be_read_again_at_once(
    tmp_path: Path, faulty: type[FaultyConnection], stored: bool
) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        order = books.order(block)
        faulty.faults = [(sqlite3.SQLITE_IOERR, stored)]
        with pytest.raises(OutcomeUnknown):
            await books.ledger.admit([order])
        assert bool(await books.ledger.find(TAXPAYER, orders=[order.order])) is stored
        (again,) = await books.ledger.admit([order])
        assert again.outcome is (AdmitOutcome.KNOWN if stored else AdmitOutcome.ADMITTED)
        assert len(await books.ledger.events(subject=order.order)) == 1

    with_books(tmp_path, test)


def test_every_operation_of_a_group_in_doubt_hears_of_it(tmp_path: Path, faulty: type[FaultyConnection]) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        faulty.faults = [(sqlite3.SQLITE_IOERR, True)]
        bad = books.order(block, 9, event=EventDraft("x", NOW, None, None, {"n": 10**30}))
        calls = [books.ledger.admit([a]) for a in (*(books.order(block, i) for i in range(5)), bad)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(a) for a in answers} == {OutcomeUnknown}
        assert (await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).used == 6

    with_books(tmp_path, test)


def test_a_full_disk_at_commit_is_a_fault_and_nothing_is_half_done(
    tmp_path: Path, faulty: type[FaultyConnection]
) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        order = books.order(block)
        faulty.faults = [(sqlite3.SQLITE_FULL, False)]
        with pytest.raises(LedgerFault) as caught:
            await books.ledger.admit([order])
        assert not isinstance(caught.value, OutcomeUnknown)
        assert await books.ledger.find(TAXPAYER, orders=[order.order]) == []
        await books.admit(order)

    with_books(tmp_path, test)


def test_a_group_that_fails_as_a_whole_is_tried_again_one_by_one(
    tmp_path: Path, faulty: type[FaultyConnection]
) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        ok = (sqlite3.SQLITE_OK, False)
        faulty.faults = [
            (sqlite3.SQLITE_FULL, False),
            ok,
            (sqlite3.SQLITE_FULL, False),
            ok,
            (sqlite3.SQLITE_IOERR, True),
        ]
        calls = [books.ledger.admit([books.order(block, i)]) for i in range(5)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        kinds = [type(a) for a in answers]
        assert kinds == [list, LedgerFault, list, OutcomeUnknown, LedgerFault]
        assert (await books.ledger.number_counts(TAXPAYER, CHANNEL, YEAR)).used == 3

    with_books(tmp_path, test)


def test_a_ledger_that_cannot_be_opened_again_recovers_when_it_can(
    tmp_path: Path, faulty: type[FaultyConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        one, two = books.order(block, 0), books.order(block, 1)
        with monkeypatch.context() as patch:

            def refuse(file: Path) -> sqlite3.Connection:
                raise LedgerFault()

            patch.setattr(files, "connect_writer", refuse)
            faulty.faults = [(sqlite3.SQLITE_IOERR, False)]
            with pytest.raises(OutcomeUnknown):
                await books.ledger.admit([one])
            with pytest.raises(LedgerFault):
                await books.ledger.admit([two])
        await books.admit(two, one)

    with_books(tmp_path, test)


def test_a_file_that_may_not_grow_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """A real fault of the file system, not an injected one: the limit on the size of files."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def test(books: Books) -> None:
        block = await books.block(200)
        done, failed = [], 0
        wal = tmp_path / "data" / f"{files.DATABASE}-wal"
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 150_000, hard))
        try:
            for i in range(200):
                order = books.order(block, i, content=b"x" * 5000)
                try:
                    await books.ledger.admit([order])
                    done.append(order.order)
                except (LedgerFault, OutcomeUnknown):
                    failed += 1
                    if failed == 3:
                        break
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert done
        assert failed
        assert [r.order for r in await books.ledger.find(TAXPAYER, orders=done)] == done
        await books.admit(books.order(block, 199))

    with_books(tmp_path, test)


def test_what_queued_while_a_commit_ran_forms_the_next_one(tmp_path: Path, faulty: type[FaultyConnection]) -> None:
    async def test(books: Books) -> None:
        block = await books.block(300)
        before = FaultyConnection.commits
        await asyncio.gather(*(books.ledger.admit([books.order(block, i)]) for i in range(300)))
        assert FaultyConnection.commits - before <= 3

    with_books(tmp_path, test)


def test_a_caller_that_leaves_does_not_stop_its_commit(tmp_path: Path) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        order = books.order(block)
        task = asyncio.create_task(books.ledger.admit([order]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await books.admit(books.order(block, 1))
        assert [r.order for r in await books.ledger.find(TAXPAYER, orders=[order.order])] == [order.order]

    with_books(tmp_path, test)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_closing_commits_everything_that_was_asked_for(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def whole() -> None:
        ledger = SqliteLedger(tmp_path, "w")
        await ledger.open()
        books = Books(ledger, ledger, LeaseClock())
        block = await books.block(200)
        tasks = [asyncio.create_task(ledger.admit([books.order(block, i)])) for i in range(200)]
        await asyncio.sleep(0)
        await ledger.close()
        assert {(await task)[0].outcome for task in tasks} == {AdmitOutcome.ADMITTED}
        for refused in (ledger.admit([books.order(block)]), ledger.find(TAXPAYER), ledger.release_blocks("a")):
            with pytest.raises(LedgerFault):
                await refused
        await ledger.close()
        assert not (tmp_path / f"{files.DATABASE}-wal").exists()
        await ledger.open()
        assert await ledger.state_counts(TAXPAYER) == {State.ISSUED: 200}
        await ledger.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(whole())


def test_a_defect_of_an_operation_reaches_its_caller_and_the_writer_lives(tmp_path: Path) -> None:
    async def test(books: Books) -> None:
        block = await books.block()
        surrogate = books.order(block, 1, order="\ud800")
        good, bad = books.order(block, 0), surrogate
        answers = await asyncio.gather(books.ledger.admit([bad]), books.ledger.admit([good]), return_exceptions=True)
        assert [type(a) for a in answers] == [Internal, list]

    with_books(tmp_path, test)


# --- checkpoints and statistics ---------------------------------------------------------------------------------------


async def wal_is(path: Path, wanted: Callable[[int], bool], seconds: float = 5) -> bool:
    for _ in range(int(seconds * 50)):
        if wanted(path.stat().st_size):
            return True
        await asyncio.sleep(0.02)
    return False


def test_the_wal_is_cleared_when_nobody_waits(tmp_path: Path) -> None:
    async def test(books: Books) -> None:
        block = await books.block(50)
        await books.admit(*(books.order(block, i) for i in range(50)))
        assert await wal_is(tmp_path / "data" / f"{files.DATABASE}-wal", lambda size: size == 0)

    with_books(tmp_path, test)


def test_the_wal_does_not_grow_without_end_under_load_or_behind_a_slow_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "PASSIVE_AFTER", 500)
    monkeypatch.setattr(checkpoint, "WAL_CAP", 1_000_000)
    monkeypatch.setattr(checkpoint, "_WAIT_FOR_READERS", 20)

    async def test(books: Books) -> None:
        wal = tmp_path / "data" / f"{files.DATABASE}-wal"
        block = await books.block(3000)
        slow = files.connect_reader(tmp_path / "data" / files.DATABASE)
        slow.execute("BEGIN")
        slow.execute("SELECT count(*) FROM invoice").fetchone()
        for start in range(0, 1000, 100):
            await books.admit(*(books.order(block, i) for i in range(start, start + 100)))
        behind = wal.stat().st_size
        assert behind > 1_000_000
        slow.close()
        for start in range(1000, 3000, 100):
            await books.admit(*(books.order(block, i) for i in range(start, start + 100)))
        assert wal.stat().st_size < 2_500_000

    with_books(tmp_path, test)


def test_statistics_are_gathered_after_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FIRST_GROWTH", 500)

    async def test(books: Books) -> None:
        block = await books.block(100)
        await books.admit(*(books.order(block, i) for i in range(100)))
        await books.admit(books.unnumbered())
        with sqlite3.connect(tmp_path / "data" / files.DATABASE) as connection:
            found = connection.execute("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'invoice'").fetchone()
        connection.close()
        assert found[0] > 0

    with_books(tmp_path, test)
