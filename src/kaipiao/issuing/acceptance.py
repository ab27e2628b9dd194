"""Orders that are stored first and numbered later, or cancelled before that: what goes into the ledger. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from kaipiao.clock import month_of
from kaipiao.invoice.drafting import totals
from kaipiao.invoice.lifecycle import State
from kaipiao.invoice.model import Draft
from kaipiao.issuing import trail
from kaipiao.ledger.port import Admission, Advance, InvoiceRecord, SealedDocument, Value


def acceptance(
    draft: Draft, channel: str, identity: int, made_at: datetime, content: bytes, digest: bytes
) -> Admission:
    """A checked order without a number; `digest` is SM3 of `content`. It may be numbered at once."""
    amount, tax, total = totals(draft)
    return Admission(
        id=identity,
        taxpayer=draft.seller_tax_number,
        order=draft.order,
        channel=channel,
        kind=draft.kind.value,
        content=content,
        content_digest=digest,
        amount=amount,
        tax=tax,
        total=total,
        made_at=made_at,
        month=month_of(made_at),
        state=State.ACCEPTED,
        next_at=made_at,
        event=trail.accepted(draft.order, draft.seller_tax_number, made_at, content=digest, channel=channel),
    )


def numbering(admission: Admission, sealed: SealedDocument, accepted: InvoiceRecord) -> Admission:
    """The same admission for an order that was accepted before: under its own id, told as its numbering."""
    event = trail.numbered(
        accepted,
        admission.made_at,
        number=admission.number or "",
        digest=sealed.digest,
        key_id=sealed.key_id,
        channel=admission.channel,
    )
    return replace(admission, id=accepted.id, replaces=accepted.replaces, event=event)


def succession(admission: Admission, predecessor: InvoiceRecord, *, window_closed: bool) -> Admission:
    """The same admission as the successor of this invoice (R14)."""
    event = admission.event
    if event is not None:
        event = replace(event, data={**event.data, "replaces": predecessor.number})
    return replace(admission, replaces=predecessor.id, window_closed=window_closed, event=event)


def cancellation(record: InvoiceRecord, now: datetime) -> Advance:
    """Holds only while the order is as it was seen: of a numbering and a cancellation, one wins."""
    event = trail.changed(record, "cancelled", now, **trail.by())
    return Advance(record.taxpayer, record.id, record.version, State.CANCELLED, {"next_at": None}, event)


def refusal(record: InvoiceRecord, code: str, words: str, until: datetime, now: datetime) -> Advance:
    """Not numbered now: it stays accepted, shows why in `words`, and is looked at again at `until`."""
    event = trail.changed(record, "numbering.refused", now, code=code)
    changes: dict[str, Value] = {"next_at": until, "problem_code": code, "problem": words}
    return Advance(record.taxpayer, record.id, record.version, State.ACCEPTED, changes, event)
