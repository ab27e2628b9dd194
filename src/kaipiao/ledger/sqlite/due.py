"""What is due in SQLite, fairly: some of every taxpayer, however much one of them has."""

from __future__ import annotations

import sqlite3
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
            return [_record(connection, *place[2:]) for place in sorted(places)[:limit]]

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
    for place, (next_at, identity) in enumerate(connection.execute(statement, parameters)):
        yield place, next_at, taxpayer, identity


def _record(connection: sqlite3.Connection, taxpayer: str, invoice: int) -> InvoiceRecord:
    return record_of(connection.execute(sql.INVOICE, (taxpayer, invoice)).fetchone())
