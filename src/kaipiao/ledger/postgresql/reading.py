"""Reading in PostgreSQL, and the taxpayers. Always on the primary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal

from kaipiao.invoice.lifecycle import DEBT, State
from kaipiao.ledger.changes import money
from kaipiao.ledger.port import ALWAYS, InvoiceRecord, SealedDocument, Span, Taxpayer
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.rows import columns, order_digest, record_of
from kaipiao.ledger.postgresql.texts import original, stored
from kaipiao.ledger.rows import instant, stored_span
from kaipiao.ledger.trail import microseconds

_EXPORT_PAGE = 500


class Reading(Handle):
    """The reading operations of the port."""

    async def save_taxpayers(self, taxpayers: Sequence[Taxpayer]) -> None:
        latest = {t.taxpayer: (t.taxpayer, stored(t.tenant), stored(t.name), json.dumps(t.channels)) for t in taxpayers}
        table = columns(list(latest.values()), 4)
        await self._write(lambda transaction: transaction.execute(sql.SAVE_TAXPAYERS, *table))

    async def taxpayers(self) -> list[Taxpayer]:
        found = await self._fetch(sql.TAXPAYERS)
        return [
            Taxpayer(key, original(tenant), original(name), tuple(json.loads(channels)))
            for key, tenant, name, channels in found
        ]

    async def find(
        self, taxpayer: str, *, orders: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> list[InvoiceRecord]:
        found = []
        if orders:
            digests = [order_digest(order) for order in orders]
            found += await self._fetch(sql.LIVE_BY_ORDERS, [taxpayer] * len(digests), digests)
        if numbers:
            found += await self._fetch(sql.BY_NUMBERS, taxpayer, [stored(number) for number in numbers])
        return [record_of(row) for row in found]

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
        wanted = [str(state) for state in states] if states else None
        if made != ALWAYS:
            filters = (wanted, kind, channel, *stored_span(made))
            found = await self._fetch(sql.PAGE_MADE, taxpayer, after, limit, *filters)
        elif kind is not None or channel is not None:
            found = await self._fetch(sql.PAGE_OF, taxpayer, after, limit, wanted, kind, channel)
        elif states:
            found = await self._fetch(sql.PAGE_IN_STATES, taxpayer, after, limit, wanted)
        else:
            found = await self._fetch(sql.PAGE, taxpayer, after, limit)
        return [record_of(row) for row in found]

    async def accepted_taxpayers(self) -> list[str]:
        return [taxpayer for (taxpayer,) in await self._fetch(sql.ACCEPTED_TAXPAYERS)]

    async def accepted(self, taxpayer: str, now: datetime, limit: int) -> list[InvoiceRecord]:
        return [record_of(row) for row in await self._fetch(sql.ACCEPTED, taxpayer, microseconds(now), limit)]

    async def documents(self, taxpayer: str, ids: Sequence[int]) -> dict[int, SealedDocument]:
        found = await self._fetch(sql.DOCUMENTS, taxpayer, list(ids))
        return {identity: SealedDocument(*document) for identity, *document in found}

    async def state_counts(self, taxpayer: str) -> dict[State, int]:
        """A `Counter`: states that do not occur count 0."""
        counts = {State(state): count for state, count in await self._fetch(sql.STATE_COUNTS, taxpayer)}
        return +Counter(counts)

    async def issued_since(self, taxpayer: str, since: datetime) -> tuple[int, Decimal]:
        ((count, taken),) = await self._fetch(sql.ISSUED_SINCE, taxpayer, microseconds(since))
        return count, money(taken)

    async def oldest_debt(self, taxpayer: str) -> datetime | None:
        ((oldest,),) = await self._fetch(sql.OLDEST_IN_STATES, taxpayer, sorted(str(state) for state in DEBT))
        return instant(oldest)

    async def last_made_at(self) -> datetime | None:
        ((latest,),) = await self._fetch(sql.LAST_MADE_AT)
        return instant(latest)

    async def export(self) -> AsyncIterator[InvoiceRecord]:
        for (taxpayer,) in await self._fetch(sql.TAXPAYERS_WITH_INVOICES):
            after = 0
            while page := await self.page(taxpayer, after=after, limit=_EXPORT_PAGE):
                for record in page:
                    yield record
                after = page[-1].id
