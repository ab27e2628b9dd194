"""Rows to records and back, for ledgers in SQL: money in whole cents, instants in microseconds since 1970, both integers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kaipiao.errors import Internal
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import cents, money
from kaipiao.ledger.port import Admission, Event, InvoiceRecord, SealedDocument, Span, Value
from kaipiao.ledger.trail import EventValue, data_text, instant_of, microseconds

NO_DEADLINE = 2**63 - 1  # sorts after every deadline
EARLIEST, LATEST = -(2**63), 2**63 - 1  # of any instant
# What `record_of` reads, in its order.
INVOICE_COLUMNS = (
    "id", "taxpayer", "client_order", "channel", "kind", "number", "state", "version", "amount", "tax", "total",
    "made_at", "sent_at", "accepted_at", "month", "content", "content_digest", "next_at", "deadline", "submission",
    "submitted_at", "unknown_since", "denials", "late_denials", "tries", "doubt", "refused", "alone", "alarmed",
    "provenance", "problem_code", "problem", "replaces",
)  # fmt: skip
_STATES = {str(state): state for state in State}


def instant(stored: int | None) -> datetime | None:
    return None if stored is None else instant_of(stored)


def stored_instant(value: datetime | None) -> int | None:
    return None if value is None else microseconds(value)


def stored_span(span: Span) -> tuple[int, int]:
    """(first, end) for `made_at >= first AND made_at < end`."""
    first = EARLIEST if span.first is None else microseconds(span.first)
    return first, LATEST if span.end is None else microseconds(span.end)


def stored_deadline(value: datetime | None) -> int:
    return NO_DEADLINE if value is None else microseconds(value)


def stored_value(column: str, value: Value) -> str | int | None:
    """What an advance sets, as it is stored."""
    if column == "deadline":
        return stored_deadline(value if isinstance(value, datetime) else None)
    if isinstance(value, datetime):
        return microseconds(value)
    return int(value) if isinstance(value, bool) else value


def record_of(row: tuple[Any, ...]) -> InvoiceRecord:
    """The invoice of a row whose columns are in the order of `INVOICE_COLUMNS`."""
    (
        identity, taxpayer, order, channel, kind, number, state, version, amount, tax, total, made_at, sent_at,
        accepted_at, month, content, content_digest, next_at, deadline, submission, submitted_at, unknown_since,
        denials, late_denials, tries, doubt, refused, alone, alarmed, provenance, problem_code, problem, replaces,
    ) = row  # fmt: skip
    return InvoiceRecord(
        id=identity, taxpayer=taxpayer, order=order, channel=channel, kind=kind, number=number,
        state=_STATES[state], version=version, amount=money(amount), tax=money(tax), total=money(total),
        made_at=instant_of(made_at), sent_at=instant(sent_at), accepted_at=instant(accepted_at), month=month,
        content=content, content_digest=content_digest, next_at=instant(next_at),
        deadline=None if deadline == NO_DEADLINE else instant_of(deadline), submission=submission,
        submitted_at=instant(submitted_at), unknown_since=instant(unknown_since), denials=denials,
        late_denials=late_denials, tries=tries, doubt=bool(doubt), refused=bool(refused), alone=bool(alone),
        alarmed=alarmed, provenance=provenance, problem_code=problem_code, problem=problem, replaces=replaces,
    )  # fmt: skip


def invoice_row(admission: Admission) -> tuple[object, ...]:
    """The parameters of `statements.INSERT_INVOICE`."""
    return (
        admission.taxpayer, admission.id, admission.order, admission.channel, admission.kind, admission.number,
        str(admission.state), cents(admission.amount), cents(admission.tax), cents(admission.total),
        cents(admission.quota), microseconds(admission.made_at), admission.month, stored_instant(admission.next_at),
        stored_deadline(admission.deadline), admission.replaces, admission.content_digest, admission.content,
    )  # fmt: skip


def numbering_row(admission: Admission) -> tuple[object, ...]:
    """The parameters of `statements.NUMBER_INVOICE`."""
    return (
        admission.number, admission.channel, cents(admission.amount), cents(admission.tax), cents(admission.total),
        cents(admission.quota), microseconds(admission.made_at), admission.month, stored_instant(admission.next_at),
        stored_deadline(admission.deadline), admission.taxpayer, admission.id,
    )  # fmt: skip


def document_row(admission: Admission, document: SealedDocument) -> tuple[object, ...]:
    """The parameters of `statements.INSERT_DOCUMENT`."""
    return (
        admission.taxpayer, admission.id, document.xml, document.invoice, document.digest, document.seal,
        document.key_id, document.algorithm,
    )  # fmt: skip


def event_of(row: tuple[Any, ...]) -> Event:
    """The event of a row: position, writer, sequence, kind, at, taxpayer, subject, data, previous, hash. What somebody wrote over it is shown so that its hash fails."""
    position, writer, sequence, kind, at, taxpayer, subject, data, previous, digest = row
    return Event(
        position, writer, sequence, kind, _any_instant(at), taxpayer, subject, _event_data(data), previous, digest
    )


def _event_data(stored: str) -> Mapping[str, EventValue]:
    try:
        data: dict[str, EventValue] = json.loads(stored)
        canonical = isinstance(data, dict) and data_text(data) == stored
    except (ValueError, RecursionError, Internal):
        canonical = False
    return data if canonical else {"unreadable": stored}


def _any_instant(stored: int) -> datetime:
    try:
        return instant_of(stored)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
