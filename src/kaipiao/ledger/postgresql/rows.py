"""Rows to records and back, where PostgreSQL differs from `kaipiao.ledger.rows`: texts without U+0000, columns for lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from kaipiao.ledger import rows
from kaipiao.ledger.changes import cents
from kaipiao.ledger.port import Admission, InvoiceRecord, SealedDocument, Value
from kaipiao.ledger.postgresql.texts import original, stored

Columns = list[list[Any]]
_NO_DOCUMENT = (None,) * 6


def order_digest(order: str) -> bytes:
    """The key of an order, of one length whatever the client calls it."""
    return sha256(order.encode()).digest()


def record_of(row: Any) -> InvoiceRecord:
    """The invoice of a row of `statements.INVOICE_COLUMNS`."""
    record = rows.record_of(row)
    texts = (record.order, record.problem, record.problem_code, record.submission)
    if any(text is not None and "\\" in text for text in texts):
        return replace(
            record,
            order=original(record.order),
            problem=original(record.problem),
            problem_code=original(record.problem_code),
            submission=original(record.submission),
        )
    return record


def columns(table: Sequence[Sequence[Any]], width: int) -> Columns:
    """A list per column; `width` empty ones for an empty table."""
    return [list(column) for column in zip(*table, strict=True)] if table else [[] for _ in range(width)]


def admission_columns(admissions: Sequence[Admission]) -> Columns:
    """$6 to $41 of `statements.STORE_ADMISSIONS`."""
    return [
        *columns(_blocks(admissions), 6),
        *columns(_quotas(admissions), 4),
        *columns([_admission_row(admission) for admission in admissions], 26),
    ]


def _blocks(admissions: Sequence[Admission]) -> list[tuple[Any, ...]]:
    """(taxpayer, block, epoch, channel, lowest number, highest number) of each block."""
    numbers: dict[tuple[Any, ...], list[str]] = {}
    for a in admissions:
        if a.number is not None:
            numbers.setdefault((a.taxpayer, a.block, a.epoch, a.channel), []).append(a.number)
    return [(*key, min(each), max(each)) for key, each in sorted(numbers.items())]


def _quotas(admissions: Sequence[Admission]) -> list[tuple[Any, ...]]:
    """(taxpayer, channel, month, cents) of each account."""
    totals: Counter[tuple[str, str, str]] = Counter()
    for a in admissions:
        if a.quota:
            totals[(a.taxpayer, a.channel, a.month)] += cents(a.quota)
    return [(*place, total) for place, total in sorted(totals.items())]


def numbering_row(a: Admission) -> tuple[Any, ...]:
    """A row of the parameters of `statements.NUMBER_INVOICES`."""
    number, *changed, taxpayer, identity = rows.numbering_row(a)
    return (taxpayer, identity, number, a.block, *changed, *_document(a.document))


def _document(d: SealedDocument | None) -> tuple[Any, ...]:
    return _NO_DOCUMENT if d is None else (d.digest, d.seal, d.key_id, d.algorithm, d.xml, d.invoice)


def _admission_row(a: Admission) -> tuple[Any, ...]:
    (
        taxpayer, identity, order, channel, kind, number, state, amount, tax, total, quota, made_at, month, next_at,
        deadline, replaces, content_digest, content,
    ) = rows.invoice_row(a)  # fmt: skip
    return (
        taxpayer, identity, order_digest(a.order), replaces, number, a.block, stored(str(order)), channel, kind, state,
        amount, tax, total, quota, made_at, month, next_at, deadline, content_digest, content, *_document(a.document),
    )  # fmt: skip


def stored_value(column: str, value: Value) -> Value:
    """What an advance sets, as it is stored."""
    if isinstance(value, str):
        return stored(value)
    return value if isinstance(value, bool) else rows.stored_value(column, value)
