"""The events of issuing, as drafts. They carry digests and codes, never what a buyer is called or what was sold."""

from __future__ import annotations

from datetime import datetime

from kaipiao.ledger.port import EventDraft, InvoiceRecord


def issued(
    record_order: str, taxpayer: str, at: datetime, *, number: str, digest: bytes, key_id: str, channel: str
) -> EventDraft:
    data = {"number": number, "digest": digest.hex(), "key": key_id, "channel": channel}
    return EventDraft("issued", at, taxpayer, record_order, data)


def numbered(
    record: InvoiceRecord, at: datetime, *, number: str, digest: bytes, key_id: str, channel: str
) -> EventDraft:
    """An accepted order got its number."""
    data = {"number": number, "digest": digest.hex(), "key": key_id, "channel": channel}
    return EventDraft("numbered", at, record.taxpayer, record.order, data)


def accepted(order: str, taxpayer: str, at: datetime, *, content: bytes, channel: str) -> EventDraft:
    """`content`: SM3 of the request."""
    return EventDraft("accepted", at, taxpayer, order, {"content": content.hex(), "channel": channel})


def changed(record: InvoiceRecord, kind: str, at: datetime, **data: str | int | bool | None) -> EventDraft:
    return EventDraft(kind, at, record.taxpayer, record.order, {"number": record.number, **data})


def alarm(record: InvoiceRecord, percent: int, at: datetime) -> EventDraft:
    deadline = record.deadline.isoformat() if record.deadline else None
    return changed(record, f"alarm.unknown{percent}", at, deadline=deadline)


def platform(kind: str, at: datetime, taxpayer: str | None = None, **data: str | int | bool | None) -> EventDraft:
    return EventDraft(kind, at, taxpayer, None, data)
