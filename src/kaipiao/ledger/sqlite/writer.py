"""The writer: one thread with the one writing connection, and natural group commit.

While it commits, operations queue; what has queued forms the next group. Results go back to the event loop in one call
per group. There is no timer and no batching delay.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import perf_counter

from kaipiao.errors import LedgerFault
from kaipiao.language import Text
from kaipiao.ledger.sqlite import files
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.checkpoint import Checkpoints
from kaipiao.ledger.sqlite.group import CommitInDoubt, commit_group
from kaipiao.ledger.sqlite.migrations import migrate
from kaipiao.ledger.sqlite.operation import Operation, Together, Work, deliver_all
from kaipiao.ledger.sqlite.readers import Readers
from kaipiao.ledger.sqlite.statistics import Statistics
from kaipiao.ledger.trail import ChainTip

log = logging.getLogger(__name__)

OnCommit = Callable[[int, float], None]  # operations in the group, seconds of its commit

_IDLE = 0.2  # seconds without work before the WAL is cleared
_MOST = 2_000  # operations in one group


class Writer:
    """Owns the writing connection. Everything but `submit` and `close` runs on its thread."""

    def __init__(
        self,
        file: Path,
        writer: str,
        readers: Readers,
        loop: asyncio.AbstractEventLoop,
        on_commit: OnCommit | None = None,
    ) -> None:
        """Opens, recovers and migrates the file. Blocks; raises `LedgerFault` and `LedgerDamaged`."""
        self._file = file
        self._readers = readers
        self._loop = loop
        self._on_commit = on_commit
        self._queue: SimpleQueue[list[Operation] | None] = SimpleQueue()
        self._pending: list[Operation] = []
        self._closing = False
        self._tip = ChainTip(writer)
        self._connection: sqlite3.Connection | None = None
        self._connect()
        self._thread = Thread(target=self._run, name="ledger-write", daemon=True)
        self._thread.start()

    def submit(
        self, work: Work, items: Sequence[object] = (), together: Together | None = None
    ) -> asyncio.Future[object]:
        """Queue an operation; on the event loop. What is submitted in one turn of the loop is handed over at once."""
        if self._closing:
            raise LedgerFault(Text("账本已关闭", "The ledger is closed"))
        waiting: asyncio.Future[object] = self._loop.create_future()
        if not self._pending:
            self._loop.call_soon(self._hand_over)
        self._pending.append(Operation(work, waiting, items, together))
        return waiting

    async def close(self) -> None:
        """Commit everything that was submitted, clear the WAL, close the file."""
        self._closing = True
        self._hand_over()
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _hand_over(self) -> None:
        if self._pending:
            self._queue.put(self._pending)
            self._pending = []

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            self._commit(group)
            self._deliver(group)
            self._keep_house()
        self._when_idle()
        self._readers.pause()
        self._disconnect()
        self._readers.resume()

    def _deliver(self, group: list[Operation]) -> None:
        try:
            self._loop.call_soon_threadsafe(deliver_all, group)
        except RuntimeError:
            log.warning("the event loop was closed before the ledger: nobody hears of %d results", len(group))

    def _next_group(self) -> list[Operation] | None:
        """All that has queued; None at the end. Clears the WAL while nothing comes."""
        group: list[Operation] = []
        while not group:
            try:
                first = self._queue.get(timeout=_IDLE)
            except Empty:
                self._when_idle()
                continue
            if first is None:
                return None
            group = first
        while len(group) < _MOST and not self._queue.empty():
            more = self._queue.get()
            if more is None:
                self._queue.put(None)  # nothing comes after it: `submit` refuses by now
                break
            group += more
        return group

    def _commit(self, group: list[Operation]) -> None:
        try:
            connection = self._connection or self._connect()
            began = perf_counter()
            self._tip = commit_group(connection, self._tip, group)
            if self._on_commit is not None:
                self._on_commit(len(group), perf_counter() - began)
        except CommitInDoubt as error:
            log.error("a commit failed and its fate is not known: %s", error.__cause__)
            self._reopen()
        except (
            Exception
        ) as error:  # whatever it is, those who wait must hear of it and the next group must find a writer
            log.exception("a group of %d operations could not be committed", len(group))
            for operation in group:
                operation.error = operation.error or files.fault_of(error)
            self._reopen()

    def _keep_house(self) -> None:
        if self._connection is None:
            return
        try:
            self._checkpoints.after_group()
            if self._statistics.gathered_after_growth():
                self._readers.refresh()
        except sqlite3.Error as error:  # the commits stand; the next one tells its caller what is wrong
            log.error("a checkpoint or ANALYZE failed: %s", error)
            self._reopen()

    def _when_idle(self) -> None:
        if self._connection is None:
            return
        try:
            self._checkpoints.when_idle()
        except sqlite3.Error as error:
            log.error("a checkpoint failed: %s", error)
            self._reopen()

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = files.connect_writer(self._file)
        except sqlite3.Error as error:
            raise files.fault_of(error) from error
        try:
            applied = migrate(connection)
            found = connection.execute(sql.TIP, (self._tip.writer,)).fetchone()
            self._tip = ChainTip(self._tip.writer, *found) if found else ChainTip(self._tip.writer)
            self._checkpoints = Checkpoints(connection, self._file)
            self._checkpoints.when_idle()
            self._statistics = Statistics(connection, migrated=bool(applied))
        except sqlite3.Error as error:
            connection.close()
            raise files.fault_of(error) from error
        except LedgerFault:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _reopen(self) -> None:
        """After a fault whose reach is not known: close every connection, so that opening reads what the disk has. A
        checkpoint then copies it, so that nothing is believed that was only in the cache of a failed write. If it
        cannot be opened now, the next group tries again."""
        self._readers.pause()
        try:
            self._disconnect()
            self._connect()
        except (sqlite3.Error, LedgerFault) as error:
            log.error("the ledger could not be opened again: %s", error)
            self._connection = None
        finally:
            self._readers.resume()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
