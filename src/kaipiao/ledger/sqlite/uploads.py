"""Upload and settle in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kaipiao.ledger.changes import defect, upload_begun_event, upload_ended_event
from kaipiao.ledger.port import Advance, InvoiceRecord, SealedDocument, Upload, UploadEnd
from kaipiao.ledger.rows import INVOICE_COLUMNS, record_of
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.advances import advance_all
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Parameters, Transaction
from kaipiao.ledger.trail import instant_of, microseconds


@dataclass(frozen=True, slots=True)
class _Claim:
    id: int
    wire_id: str
    taxpayer: str
    channel: str
    node: str
    limit: int
    now: datetime


class Uploads(Handle):
    """The upload and settle operations of the port."""

    async def due_pairs(self, now: datetime) -> list[tuple[str, str]]:
        at = microseconds(now)
        return await self._read(lambda c: c.execute(sql.DUE_PAIRS, (at,)).fetchall())

    async def begin_upload(
        self, upload_id: int, wire_id: str, taxpayer: str, channel: str, node: str, limit: int, now: datetime
    ) -> Upload | None:
        claim = _Claim(upload_id, wire_id, taxpayer, channel, node, limit, now)
        return await self._write(lambda transaction: _begin(transaction, claim))

    async def end_upload(self, end: UploadEnd, advances: Sequence[Advance]) -> list[bool]:
        return await self._write(lambda transaction: _end(transaction, end, advances))

    async def open_uploads(self, node: str | None = None) -> list[Upload]:
        return await self._read(lambda connection: _open_uploads(connection, node))

    async def alarming(self, now: datetime, limit: int) -> list[InvoiceRecord]:
        return await self._records(sql.ALARMING, (microseconds(now), limit))

    async def advance(self, advances: Sequence[Advance]) -> list[bool]:
        return await self._write(lambda transaction: advance_all(transaction, advances))

    async def _records(self, statement: str, parameters: tuple[object, ...]) -> list[InvoiceRecord]:
        return [record_of(row) for row in await self._read(lambda c: c.execute(statement, parameters).fetchall())]


def _begin(transaction: Transaction, claim: _Claim) -> Upload | None:
    if transaction.row(sql.UPLOAD_EXISTS, (claim.taxpayer, claim.id)):
        raise defect("上传标识重复", "An id of an upload is used twice", id=claim.id)
    ids = _batch(transaction, claim)
    if not ids:
        return None
    at, these = microseconds(claim.now), json.dumps(ids)
    transaction.execute(sql.INSERT_UPLOAD, (claim.taxpayer, claim.id, claim.wire_id, claim.channel, claim.node, at))
    transaction.insert(sql.INSERT_ATTEMPT, [(claim.taxpayer, claim.id, i) for i in ids])
    transaction.execute(sql.CLAIM, (claim.taxpayer, these))
    found = {row[0]: row for row in transaction.execute(sql.CLAIMED, (claim.taxpayer, these)).fetchall()}
    width = len(INVOICE_COLUMNS)
    records = tuple(record_of(found[i][:width]) for i in ids)
    documents = tuple(_document(found[i][width:]) for i in ids)
    for record in records:
        transaction.append(upload_begun_event(record, claim.id, claim.wire_id, claim.node, claim.now), record.id)
    return Upload(claim.id, claim.wire_id, claim.taxpayer, claim.channel, claim.node, claim.now, records, documents)


def _batch(transaction: Transaction, claim: _Claim) -> list[int]:
    """The earliest deadline first, then the oldest. One that must go alone goes when it is first, else it waits."""
    key = (claim.taxpayer, claim.channel, microseconds(claim.now))
    first: Any = transaction.row(sql.FIRST_TO_UPLOAD, key)
    if first is None or claim.limit < 1:
        return []
    identity, alone = first
    return [identity] if alone else _ids(transaction, sql.NEXT_TO_UPLOAD, (*key, claim.limit))


def _ids(transaction: Transaction, statement: str, parameters: Parameters) -> list[int]:
    """Of a statement that gives one JSON array."""
    found: Any = transaction.row(statement, parameters)
    ids: list[int] = json.loads(found[0])
    return ids


def _document(columns: tuple[Any, ...]) -> SealedDocument | None:
    return None if columns[0] is None else SealedDocument(*columns)


def _end(transaction: Transaction, end: UploadEnd, advances: Sequence[Advance]) -> list[bool]:
    key = (end.taxpayer, end.id)
    found = transaction.row(sql.UPLOAD_ENDED, key)
    if found is None:
        raise defect("没有此上传", "There is no such upload", id=end.id)
    if end.attempts.keys() - set(_ids(transaction, sql.ATTEMPTS, key)):
        raise defect("结果含有未上传的发票", "An outcome names an invoice that was not in the upload", id=end.id)
    if found[0] is None:
        at = microseconds(end.ended_at)
        outcome = (at, end.phase, end.bytes_sent, end.outcome, end.cause, end.submission, end.timeline)
        transaction.execute(sql.END_UPLOAD, (*outcome, *key))
        for what, ids in _by_outcome(end).items():
            transaction.execute(sql.END_ATTEMPTS, (what, *key, json.dumps(ids)))
        transaction.append(upload_ended_event(end))
    return advance_all(transaction, advances)


def _by_outcome(end: UploadEnd) -> dict[str, list[int]]:
    ids: defaultdict[str, list[int]] = defaultdict(list)
    for invoice, outcome in end.attempts.items():
        ids[outcome].append(invoice)
    return ids


def _open_uploads(connection: sqlite3.Connection, node: str | None) -> list[Upload]:
    uploads = []
    for taxpayer, identity, *names, begun in connection.execute(sql.OPEN_UPLOADS, (node, node)).fetchall():
        wire_id, channel, owner = names
        found = connection.execute(sql.UPLOADED_INVOICES, (taxpayer, taxpayer, identity)).fetchall()
        records = tuple(record_of(row) for row in found)
        uploads.append(Upload(identity, wire_id, taxpayer, channel, owner, instant_of(begun), records, ()))
    return uploads
