"""Reading in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice

from kaipiao.invoice.lifecycle import DEBT, State
from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import ZERO
from kaipiao.ledger.port import ALWAYS, InvoiceRecord, SealedDocument, Span, Taxpayer


class Reading(Handle):
    """The reading operations of the port."""

    async def save_taxpayers(self, taxpayers: Sequence[Taxpayer]) -> None:
        self.store.taxpayers.update({t.taxpayer: t for t in taxpayers})

    async def taxpayers(self) -> list[Taxpayer]:
        return [self.store.taxpayers[key] for key in sorted(self.store.taxpayers)]

    async def find(
        self, taxpayer: str, *, orders: Sequence[str] = (), numbers: Sequence[str] = ()
    ) -> list[InvoiceRecord]:
        found = [self.store.orders.get((taxpayer, order)) for order in orders]
        found += [self.store.numbers.get((taxpayer, number)) for number in numbers]
        return [self.store.invoices[(taxpayer, identity)] for identity in found if identity is not None]

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
        ids = sorted(
            i for state in set(states or State) for t, i in self.store.by_state[state] if t == taxpayer and i > after
        )
        found = (self.store.invoices[(taxpayer, i)] for i in ids)
        wanted = (
            record
            for record in found
            if kind in (None, record.kind)
            and channel in (None, record.channel)
            and (made.first is None or record.made_at >= made.first)
            and (made.end is None or record.made_at < made.end)
        )
        return list(islice(wanted, limit))

    async def accepted_taxpayers(self) -> list[str]:
        return sorted({taxpayer for taxpayer, _ in self.store.by_state[State.ACCEPTED]})

    async def accepted(self, taxpayer: str, now: datetime, limit: int) -> list[InvoiceRecord]:
        waiting = [
            record
            for record in self.store.in_state(State.ACCEPTED)
            if record.taxpayer == taxpayer and record.next_at is not None and record.next_at <= now
        ]
        return sorted(waiting, key=lambda record: (record.made_at, record.id))[:limit]

    async def documents(self, taxpayer: str, ids: Sequence[int]) -> dict[int, SealedDocument]:
        return {i: self.store.sealed[(taxpayer, i)] for i in ids if (taxpayer, i) in self.store.sealed}

    async def state_counts(self, taxpayer: str) -> dict[State, int]:
        """A `Counter`: states that do not occur count 0."""
        return Counter(state for state, keys in self.store.by_state.items() for t, _ in keys if t == taxpayer)

    async def issued_since(self, taxpayer: str, since: datetime) -> tuple[int, Decimal]:
        made = [
            key
            for key, record in self.store.invoices.items()
            if key[0] == taxpayer and record.made_at >= since and record.number is not None
        ]
        return len(made), sum((self.store.taken_quota.get(key, ZERO) for key in made), ZERO)

    async def oldest_debt(self, taxpayer: str) -> datetime | None:
        return min(
            (r.made_at for state in sorted(DEBT) for r in self.store.in_state(state) if r.taxpayer == taxpayer),
            default=None,
        )

    async def last_made_at(self) -> datetime | None:
        return self.store.last_made_at

    async def export(self) -> AsyncIterator[InvoiceRecord]:
        for key in sorted(self.store.invoices):
            yield self.store.invoices[key]
