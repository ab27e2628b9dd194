"""Reading in SQLite, and the taxpayers."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from kaipiao.invoice.lifecycle import DEBT, State
from kaipiao.ledger.changes import money
from kaipiao.ledger.port import ALWAYS, InvoiceRecord, SealedDocument, Span, Taxpayer
from kaipiao.ledger.rows import instant, record_of, stored_span
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.trail import microseconds

_EXPORT_PAGE = 500


class Reading(Handle):
    """The reading operations of the port."""

    async def save_taxpayers(self, taxpayers: Sequence[Taxpayer]) -> None:
        rows = [(t.taxpayer, t.tenant, t.name, json.dumps(t.channels)) for t in taxpayers]
        await self._write(lambda transaction: transaction.many(sql.SAVE_TAXPAYER, rows))

    async def taxpayers(self) -> list[Taxpayer]:
        found = await self._read(lambda c: c.execute(sql.TAXPAYERS).fetchall())
        return [Taxpayer(key, tenant, name, tuple(json.loads(channels))) for key, tenant, name, channels in found]

    async def find(
        self, taxpayer: str, *, orders: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> list[InvoiceRecord]:
        return await self._read(lambda connection: _find(connection, taxpayer, orders, numbers))

    async def page(
        self,
        taxpayer: str,
        *,
        states: Sequence[State] = (),
        after: int = 0,
        limit: int = 100,
        kind: str | None = None,
        channel: str | None = None,
        made: Span = ALWAYS,
    ) -> list[InvoiceRecord]:
        wanted = json.dumps([str(state) for state in states]) if states else None
        statement: str = sql.PAGE
        parameters: tuple[object, ...] = (taxpayer, after, limit)
        if made != ALWAYS:
            statement = sql.PAGE_MADE
            parameters = (taxpayer, after, limit, wanted, kind, channel, *stored_span(made))
        elif kind is not None or channel is not None:
            statement = sql.PAGE_OF
            parameters = (taxpayer, after, limit, wanted, kind, channel)
        elif states:
            statement = sql.PAGE_IN_STATES
            parameters = (taxpayer, after, wanted, limit)
        return [record_of(row) for row in await self._read(lambda c: c.execute(statement, parameters).fetchall())]

    async def accepted_taxpayers(self) -> list[str]:
        return await self._read(lambda connection: list(_each(connection, sql.NEXT_ACCEPTED_TAXPAYER)))

    async def accepted(self, taxpayer: str, now: datetime, limit: int) -> list[InvoiceRecord]:
        key = (taxpayer, microseconds(now), limit)
        return [record_of(row) for row in await self._read(lambda c: c.execute(sql.ACCEPTED, key).fetchall())]

    async def documents(self, taxpayer: str, ids: Sequence[int]) -> dict[int, SealedDocument]:
        return await self._read(
            lambda c: {i: document for i in ids if (document := document_of(c, taxpayer, i)) is not None}
        )

    async def state_counts(self, taxpayer: str) -> dict[State, int]:
        """A `Counter`: states that do not occur count 0."""
        return await self._read(lambda connection: _state_counts(connection, taxpayer))

    async def issued_since(self, taxpayer: str, since: datetime) -> tuple[int, Decimal]:
        key = (taxpayer, microseconds(since))
        count, taken = await self._read(lambda c: c.execute(sql.ISSUED_SINCE, key).fetchone())
        return count, money(taken)

    async def oldest_debt(self, taxpayer: str) -> datetime | None:
        return instant(await self._read(lambda connection: oldest_debt_of(connection, taxpayer)))

    async def last_made_at(self) -> datetime | None:
        return instant(await self._read(_last_made_at))

    async def export(self) -> AsyncIterator[InvoiceRecord]:
        for taxpayer in await self._read(lambda connection: list(_each(connection, sql.NEXT_TAXPAYER))):
            after = 0
            while page := await self.page(taxpayer, after=after, limit=_EXPORT_PAGE):
                for record in page:
                    yield record
                after = page[-1].id


def document_of(connection: sqlite3.Connection, taxpayer: str, invoice: int) -> SealedDocument | None:
    row = connection.execute(sql.DOCUMENT, (taxpayer, invoice)).fetchone()
    return SealedDocument(*row) if row else None


def _find(
    connection: sqlite3.Connection, taxpayer: str, orders: Sequence[str], numbers: Sequence[str]
) -> list[InvoiceRecord]:
    found = []
    for statement, names in ((sql.LIVE_ID, orders), (sql.NUMBER_OWNER, numbers)):
        for name in names:
            owner = connection.execute(statement, (taxpayer, name)).fetchone()
            if owner is not None:
                found.append(record_of(connection.execute(sql.INVOICE, (taxpayer, *owner)).fetchone()))
    return found


def _state_counts(connection: sqlite3.Connection, taxpayer: str) -> Counter[State]:
    """Confirmed ones are most: they are what is left when the others are taken from the whole."""
    counts: Counter[State] = Counter()
    for state in State:
        if state is not State.CONFIRMED:
            (counts[state],) = connection.execute(sql.OPEN_STATE_COUNT, (taxpayer, str(state))).fetchone()
    (whole,) = connection.execute(sql.INVOICE_COUNT, (taxpayer,)).fetchone()
    counts[State.CONFIRMED] = whole - counts.total()
    return +counts


def oldest_debt_of(connection: sqlite3.Connection, taxpayer: str) -> int | None:
    oldest = (connection.execute(sql.OLDEST_IN_STATE, (taxpayer, str(state))).fetchone()[0] for state in DEBT)
    return min((at for at in oldest if at is not None), default=None)


def _last_made_at(connection: sqlite3.Connection) -> int | None:
    each = (
        connection.execute(sql.LAST_MADE_AT, (taxpayer,)).fetchone()[0]
        for taxpayer in _each(connection, sql.NEXT_TAXPAYER)
    )
    return max(each, default=None)


def _each(connection: sqlite3.Connection, next_taxpayer: str) -> Iterator[str]:
    """Each taxpayer once, by jumping through the index instead of reading all of it."""
    row: Any = connection.execute(next_taxpayer, ("",)).fetchone()
    while row[0] is not None:
        yield row[0]
        row = connection.execute(next_taxpayer, (row[0],)).fetchone()
