"""Outages, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from kaipiao.errors import Internal
from kaipiao.invoice.lifecycle import DEBT, State
from kaipiao.language import Text
from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import prepared
from kaipiao.ledger.outages import ListedInvoice, Made, OutageRow, OutageSums, OutageWatch
from kaipiao.ledger.port import EventDraft, InvoiceRecord


class Outages(Handle):
    """The operations of `OutageBooks`."""

    async def outage_watch(self) -> OutageWatch:
        return self.store.outage_watch

    async def save_outages(
        self, watch: OutageWatch, outages: Sequence[OutageRow], events: Sequence[EventDraft]
    ) -> bool:
        if watch.revision != self.store.outage_watch.revision + 1:
            return False
        after = self.store.outages | {outage.id: outage for outage in outages}
        still_open = [outage.channel for outage in after.values() if outage.closed_at is None]
        if len(still_open) != len(set(still_open)):
            raise Internal(Text("该通道已有未结束的中断", "The channel has an open outage already"))
        drafts = prepared(list(events))
        self.store.outage_watch, self.store.outages = watch, after
        self.store.append(self.writer, drafts)
        return True

    async def outages(
        self, *, channel: str | None = None, open_only: bool = False, before: int | None = None, limit: int = 100
    ) -> list[OutageRow]:
        rows = sorted(self.store.outages.values(), key=lambda outage: -outage.id)
        found = [
            outage
            for outage in rows
            if channel in (None, outage.channel)
            and (before is None or outage.id < before)
            and not (open_only and outage.closed_at is not None)
        ]
        return found[:limit]

    async def outage(self, outage: int) -> OutageRow | None:
        return self.store.outages.get(outage)

    async def outage_sums(self, made: Made, window: timedelta, closes: datetime, now: datetime) -> OutageSums:
        found = list(self._made(made))
        return OutageSums(
            len(found),
            sum(record.state is State.CONFIRMED for record in found),
            sum(record.state in DEBT for record in found),
            sum(_is_late(record, min(record.made_at + window, closes), closes, now) for record in found),
        )

    async def outage_invoices(self, made: Made, after: tuple[datetime, int], limit: int) -> list[ListedInvoice]:
        behind = sorted((r.made_at, r.id, r) for r in self._made(made) if (r.made_at, r.id) > after)
        return [
            ListedInvoice(r.made_at, r.id, r.number or "", self.store.sealed[(r.taxpayer, r.id)].digest)
            for _, _, r in behind[:limit]
        ]

    def _made(self, made: Made) -> Iterator[InvoiceRecord]:
        for record in self.store.invoices.values():
            ours = (record.taxpayer, record.channel) == (made.taxpayer, made.channel) and record.number is not None
            if ours and made.first <= record.made_at < made.end:
                yield record


def _is_late(record: InvoiceRecord, until: datetime, closes: datetime, now: datetime) -> bool:
    over = record.accepted_at or (now if record.state in DEBT else None)
    return record.state is State.EXPIRED or (over is not None and (over > until or over >= closes))
