"""Checkpoints: on the writer's own connection, between commits, and nowhere else.

(Up to SQLite 3.51.2 a checkpoint beside a writer can, rarely, corrupt the WAL; and SQLite's automatic one runs inside a
commit that somebody waits for.)
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

PASSIVE_AFTER = 5_000  # rows changed; about 4 MB of WAL
WAL_CAP = 64 * 1024 * 1024  # bytes; beyond it the writer waits for readers, so that the WAL can begin anew
_WAIT_FOR_READERS = 2_000  # ms
BUSY_TIMEOUT = 1_000  # ms that a statement waits for a lock of somebody who should not be there


class Checkpoints:
    """Decides when, counts what was written since."""

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection = connection
        self._wal = file.with_name(file.name + "-wal")
        self._seen = connection.total_changes
        self._dirty = True

    def after_group(self) -> None:
        """PASSIVE after enough changes: copies what it can and waits for nobody."""
        self._dirty = True
        if self._connection.total_changes - self._seen >= PASSIVE_AFTER:
            self._run("PASSIVE")
            self._seen = self._connection.total_changes
            if self.wal_size() > WAL_CAP:
                self._run("TRUNCATE", _WAIT_FOR_READERS)

    def when_idle(self) -> None:
        """TRUNCATE when nobody waits, so that a start after a crash has little to read again."""
        if self._dirty and self._run("TRUNCATE"):
            self._dirty = False
            self._seen = self._connection.total_changes

    def wal_size(self) -> int:
        """Bytes of the WAL file."""
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    def _run(self, mode: str, patience: int = 0) -> bool:
        """Whether it could finish. A reader may hold it up (busy) for `patience` ms; then it comes again."""
        self._connection.execute(f"PRAGMA busy_timeout = {patience}")
        busy, _, _ = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
        return not busy
