"""Reading in PostgreSQL, and the taxpayers. Always on the primary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from kaipiao.invoice.lifecycle import DEBT
from kaipiao.ledger.changes import money
from kaipiao.ledger.port import InvoiceRecord, SealedDocument, Taxpayer
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.listing import Listing
from kaipiao.ledger.postgresql.rows import columns, order_digest, record_of
from kaipiao.ledger.postgresql.texts import original, stored
from kaipiao.ledger.rows import instant
from kaipiao.ledger.trail import microseconds


class Reading(Handle, Listing):
    """The reading operations of the port, beside the lists."""

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

    async def accepted_taxpayers(self) -> list[str]:
        return [taxpayer for (taxpayer,) in await self._fetch(sql.ACCEPTED_TAXPAYERS)]

    async def accepted(self, taxpayer: str, now: datetime, limit: int) -> list[InvoiceRecord]:
        return [record_of(row) for row in await self._fetch(sql.ACCEPTED, taxpayer, microseconds(now), limit)]

    async def documents(self, taxpayer: str, ids: Sequence[int]) -> dict[int, SealedDocument]:
        found = await self._fetch(sql.DOCUMENTS, taxpayer, list(ids))
        return {identity: SealedDocument(*document) for identity, *document in found}

    async def issued_since(self, taxpayer: str, since: datetime) -> tuple[int, Decimal]:
        ((count, taken),) = await self._fetch(sql.ISSUED_SINCE, taxpayer, microseconds(since))
        return count, money(taken)

    async def oldest_debt(self, taxpayer: str) -> datetime | None:
        ((oldest,),) = await self._fetch(sql.OLDEST_IN_STATES, taxpayer, sorted(str(state) for state in DEBT))
        return instant(oldest)

    async def last_made_at(self) -> datetime | None:
        ((latest,),) = await self._fetch(sql.LAST_MADE_AT)
        return instant(latest)
