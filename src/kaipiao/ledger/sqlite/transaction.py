"""A transaction as operations see it: statements, and events that are chained as they are appended."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

from kaipiao.ledger.port import EventDraft
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.trail import ChainTip, chained, data_text, microseconds

T = TypeVar("T")
Parameters = tuple[object, ...]
_ROWS = re.compile(r"(.*\bVALUES )(\([^()]*\))(\s*)", re.DOTALL)
_MOST_ROWS = 64  # in one statement


class Transaction:
    """What an operation may do between BEGIN and COMMIT. Used on the writer's thread only."""

    def __init__(self, connection: sqlite3.Connection, tip: ChainTip) -> None:
        self._connection = connection
        self._events: list[Parameters] = []
        self.tip = tip

    def execute(self, statement: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, parameters)

    def many(self, statement: str, rows: Iterable[Parameters]) -> None:
        self._connection.executemany(statement, rows)

    def insert(self, statement: str, rows: Sequence[Parameters]) -> None:
        """As `many`, for an INSERT of one row. Each step of a statement lets go of the interpreter and waits to get it back,
        so many rows go into one statement."""
        for start in range(0, len(rows), _MOST_ROWS):
            part = rows[start : start + _MOST_ROWS]
            self._connection.execute(_of_rows(statement, len(part)), tuple(chain.from_iterable(part)))

    def array(self, statement: str, taxpayer: str, wanted: Sequence[object]) -> list[Any]:
        """What a statement gives as one JSON array for a JSON array of keys of one taxpayer, in a single step."""
        found: Any = self.row(statement, (taxpayer, json.dumps(wanted, ensure_ascii=False)))
        rows: list[Any] = json.loads(found[0])
        return rows

    def row(self, statement: str, parameters: Parameters = ()) -> Parameters | None:
        """The first row, or None."""
        found: Parameters | None = self._connection.execute(statement, parameters).fetchone()
        return found

    def append(self, draft: EventDraft, invoice: int | None = None) -> None:
        """Chain an event. `invoice` is the one whose order is the event's subject."""
        data = data_text(draft.data)
        before, self.tip = self.tip, chained(self.tip, draft, data)
        self._events.append(
            (
                draft.taxpayer, self.tip.writer, self.tip.sequence, draft.kind, microseconds(draft.at), draft.subject,
                invoice, data, before.hash, self.tip.hash,
            )
        )  # fmt: skip

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Run an operation so that it happens as a whole or not at all, whatever becomes of the others."""
        with self._savepoint():
            result = work(self)
            if self._events:
                self.insert(sql.INSERT_EVENT, self._events)
                self._events = []
            return result

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        before = self.tip
        self._connection.execute("SAVEPOINT operation")
        try:
            yield
        except BaseException:
            self.tip, self._events = before, []
            self._undo()
            raise
        self._connection.execute("RELEASE operation")

    def _undo(self) -> None:
        """Back to the savepoint; if even that fails, the whole group is given up rather than half of this kept."""
        if not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK TO operation")
            self._connection.execute("RELEASE operation")
        except sqlite3.Error:
            self._connection.execute("ROLLBACK")


@lru_cache(1024)
def _of_rows(statement: str, count: int) -> str:
    """The INSERT of so many rows."""
    found = _ROWS.fullmatch(statement)
    assert found is not None, statement
    head, row, end = found.groups()
    return f"{head}{', '.join([row] * count)}{end}"
