"""What is due in SQLite, fairly: some of every taxpayer, however much one of them has."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import InvoiceRecord
from kaipiao.ledger.rows import record_of
from kaipiao.ledger.sqlite import due_statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.trail import microseconds

_Place = tuple[int, int, str, int]  # place within the taxpayer, next_at, taxpayer, id


class Due(Handle):
    """The operation of the port that asks whose turn it is."""

    async def due(
        self,
        state: State,
        now: datetime,
        limit: int,
        *,
        each: int | None = None,
        taxpayers: Collection[str] | None = None,
    ) -> list[InvoiceRecord]:
        at, most = microseconds(now), limit if each is None else min(each, limit)

        def read(connection: sqlite3.Connection) -> list[InvoiceRecord]:
            places: list[_Place] = []
            for taxpayer in _waiting(connection, state):
                if taxpayers is None or taxpayer in taxpayers:
                    places += _places(connection, state, taxpayer, at, most)
            return _records(connection, [place[2:] for place in sorted(places)[:limit]])

        return await self._read(read)


def _waiting(connection: sqlite3.Connection, state: State) -> Iterator[str]:
    """Each taxpayer with invoices in this state, by jumping through the index."""
    statement = sql.NEXT_WITH_ISSUED if state is State.ISSUED else sql.NEXT_WAITING
    parameters = () if state is State.ISSUED else (str(state),)
    taxpayer = ""
    while (taxpayer := connection.execute(statement, (*parameters, taxpayer)).fetchone()[0]) is not None:
        yield taxpayer


def _places(connection: sqlite3.Connection, state: State, taxpayer: str, at: int, most: int) -> Iterator[_Place]:
    parameters: tuple[object, ...] = (taxpayer, at, most) if state is State.ISSUED else (taxpayer, str(state), at, most)
    statement = sql.DUE_ISSUED_OF if state is State.ISSUED else sql.DUE_OF
    (found,) = connection.execute(statement, parameters).fetchone()  # one array: each row would be a step of its own
    for place, (next_at, identity) in enumerate(json.loads(found)):
        yield place, next_at, taxpayer, identity


def _records(connection: sqlite3.Connection, wanted: list[tuple[str, int]]) -> list[InvoiceRecord]:
    """In the order in which they are wanted."""
    ids: defaultdict[str, list[int]] = defaultdict(list)
    for taxpayer, identity in wanted:
        ids[taxpayer].append(identity)
    found: dict[int, InvoiceRecord] = {}
    for taxpayer, theirs in ids.items():
        rows = connection.execute(sql.INVOICES, (taxpayer, json.dumps(theirs))).fetchall()
        found |= {record.id: record for record in map(record_of, rows)}
    return [found[identity] for _, identity in wanted]
