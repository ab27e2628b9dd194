"""What every part of a SQLite ledger has at hand: a way to write and a way to read."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from kaipiao.errors import LedgerFault
from kaipiao.language import Text
from kaipiao.ledger.ids import run_name
from kaipiao.ledger.sqlite.files import DATABASE, DirectoryLock
from kaipiao.ledger.sqlite.readers import Readers
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.sqlite.writer import OnCommit, Writer

T = TypeVar("T")


class Handle:
    """Opens and closes the directory; runs work on the writer and reads on the readers."""

    def __init__(
        self,
        directory: Path,
        writer: str | None = None,
        *,
        lease_clock: Callable[[], float] = time.time,
        on_commit: OnCommit | None = None,
    ) -> None:
        """`directory` is made where it is missing (not its parents). `writer` names this run in the trail; each start
        takes a new one unless it is given. `lease_clock` gives seconds and goes on across restarts. `on_commit` is told of
        every group, on the writer's thread."""
        self.directory = directory
        self.writer = writer or run_name()
        self._lease_clock = lease_clock
        self._on_commit = on_commit
        self._lock: DirectoryLock | None = None
        self._readers: Readers | None = None
        self._writer: Writer | None = None

    async def open(self) -> None:
        """Lock, recover, migrate. Raises `DirectoryInUse`, `LedgerFault`, `LedgerDamaged`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._open, loop)

    async def close(self) -> None:
        """Everything that was asked for before is committed; then the file is closed and the directory unlocked."""
        writer, readers, lock = self._writer, self._readers, self._lock
        self._writer = self._readers = self._lock = None
        if writer is not None:
            await writer.close()
        if readers is not None:
            await asyncio.get_running_loop().run_in_executor(None, readers.close)
        if lock is not None:
            lock.release()

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._lock is not None:
            raise LedgerFault(Text("账本已打开", "The ledger is open already"))
        lock = DirectoryLock(self.directory)
        readers = Readers(self.directory / DATABASE)
        try:
            self._writer = Writer(self.directory / DATABASE, self.writer, readers, loop, self._on_commit)
        except BaseException:
            readers.close()
            lock.release()
            raise
        self._lock, self._readers = lock, readers

    async def _write(self, work: Callable[[Transaction], T]) -> T:
        """Run an operation in the next group's commit."""
        return cast(T, await self._open_writer().submit(work))

    async def _write_together(
        self, items: Sequence[Any], together: Callable[[Transaction, Sequence[Any]], list[T]]
    ) -> list[T]:
        """As `_write`, for operations of one kind that are done as one: items in, one result for each out."""
        waiting = self._open_writer().submit(lambda transaction: together(transaction, items), items, together)
        return cast(list[T], await waiting)

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read in a thread, in one snapshot."""
        if self._readers is None:
            raise _closed()
        return await self._readers.run(read)

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise _closed()
        return self._writer


def _closed() -> LedgerFault:
    return LedgerFault(Text("账本未打开", "The ledger is not open"))
