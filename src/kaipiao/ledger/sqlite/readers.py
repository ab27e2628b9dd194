"""Readers: a few read-only connections, used in threads, each read in one consistent snapshot."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from kaipiao.ledger.sqlite.files import connect_reader, fault_of

T = TypeVar("T")
_COUNT = 3


class _Slot:
    """The place of one connection."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._generation = 0

    def connect(self, file: Path, generation: int) -> sqlite3.Connection:
        if self._generation != generation:
            self.close()
        if self._connection is None:
            self._connection, self._generation = connect_reader(file), generation
        return self._connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Readers:
    """Connections are handed out one read at a time, so that all of them can be called in and closed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._threads = ThreadPoolExecutor(_COUNT, thread_name_prefix="ledger-read")
        self._idle: SimpleQueue[_Slot] = SimpleQueue()
        self._generation = 0
        self.resume()

    async def run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read in a thread. Raises `LedgerFault`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read)

    def refresh(self) -> None:
        """From the next read on, every connection is a new one, which plans by the present statistics."""
        self._generation += 1

    def pause(self) -> None:
        """Call every connection in and close it; reads wait until `resume`. Blocks for the longest read."""
        for _ in range(_COUNT):
            self._idle.get().close()

    def resume(self) -> None:
        """Let reads go on; connections are made when they are needed."""
        for _ in range(_COUNT):
            self._idle.put(_Slot())

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        self.pause()

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        slot = self._idle.get()
        try:
            return _in_snapshot(slot.connect(self._file, self._generation), read)
        except sqlite3.Error as error:
            raise fault_of(error) from error
        finally:
            self._idle.put(slot)


def _in_snapshot(connection: sqlite3.Connection, read: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN")
    try:
        return read(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
