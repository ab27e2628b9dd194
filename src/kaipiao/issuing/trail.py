"""The events of issuing, as drafts. They carry digests and codes, never what a buyer is called or what was sold.

What somebody asked for says who: the subject of the token of the call in hand. What the platform does by itself says nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from datetime import datetime

from kaipiao.ledger.port import EventDraft, InvoiceRecord

actor: ContextVar[str | None] = ContextVar("actor", default=None)


def by() -> dict[str, str]:
    """Who asked for what is being done."""
    who = actor.get()
    return {} if who is None else {"actor": who}


def issued(
    record_order: str, taxpayer: str, at: datetime, *, number: str, digest: bytes, key_id: str, channel: str
) -> EventDraft:
    data = {"number": number, "digest": digest.hex(), "key": key_id, "channel": channel, **by()}
    return EventDraft("issued", at, taxpayer, record_order, data)


def numbered(
    record: InvoiceRecord, at: datetime, *, number: str, digest: bytes, key_id: str, channel: str
) -> EventDraft:
    """An accepted order got its number."""
    data = {"number": number, "digest": digest.hex(), "key": key_id, "channel": channel, **by()}
    return EventDraft("numbered", at, record.taxpayer, record.order, data)


def accepted(order: str, taxpayer: str, at: datetime, *, content: bytes, channel: str) -> EventDraft:
    """`content`: SM3 of the request."""
    return EventDraft("accepted", at, taxpayer, order, {"content": content.hex(), "channel": channel, **by()})


def changed(record: InvoiceRecord, kind: str, at: datetime, **data: str | int | bool | None) -> EventDraft:
    return EventDraft(kind, at, record.taxpayer, record.order, {"number": record.number, **data})


def alarm(record: InvoiceRecord, percent: int, at: datetime) -> EventDraft:
    deadline = record.deadline.isoformat() if record.deadline else None
    return changed(record, f"alarm.unknown{percent}", at, deadline=deadline)


def platform(kind: str, at: datetime, taxpayer: str | None = None, **data: str | int | bool | None) -> EventDraft:
    return EventDraft(kind, at, taxpayer, None, data)


async def kept_nowhere(events: Sequence[EventDraft]) -> None:
    """Of an installation without a trail: what happens is in the log alone."""
