"""ANALYZE after migration and after growth: SQLite plans by what it was told about the tables."""

from __future__ import annotations

import sqlite3

FIRST_GROWTH = 60_000  # rows changed: about 10,000 invoices
_FACTOR = 10


class Statistics:
    """Gathers after the first growth since opening, then each time the tables have been changed ten times as much."""

    def __init__(self, connection: sqlite3.Connection, *, migrated: bool) -> None:
        self._connection = connection
        self._next = connection.total_changes + FIRST_GROWTH
        if migrated:
            self._gather()

    def gathered_after_growth(self) -> bool:
        """Gather where it is due. True when it was: other connections plan anew only when they are opened again."""
        if self._connection.total_changes < self._next:
            return False
        self._next = self._connection.total_changes * _FACTOR
        self._gather()
        return True

    def _gather(self) -> None:
        self._connection.execute("PRAGMA analysis_limit = 1000")
        self._connection.execute("ANALYZE")
