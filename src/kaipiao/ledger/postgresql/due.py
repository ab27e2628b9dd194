"""What is due in PostgreSQL, fairly: some of every taxpayer, however much one of them has."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import InvoiceRecord
from kaipiao.ledger.postgresql import due_statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.rows import record_of
from kaipiao.ledger.trail import microseconds


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
        statement = sql.DUE_ISSUED if state is State.ISSUED else sql.DUE
        most = limit if each is None else min(each, limit)
        of = None if taxpayers is None else sorted(taxpayers)
        found = await self._fetch(statement, str(state), microseconds(now), limit, most, of)
        return [record_of(row) for row in found]
