"""Upload and settle in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import defect, upload_begun_event, upload_ended_event
from kaipiao.ledger.port import Advance, InvoiceRecord, SealedDocument, Upload, UploadEnd
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.advances import advance_all
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.rows import record_of
from kaipiao.ledger.postgresql.texts import stored
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.rows import stored_deadline
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
        return [(taxpayer, channel) for taxpayer, channel in await self._fetch(sql.DUE_PAIRS, microseconds(now))]

    async def begin_upload(
        self, upload_id: int, wire_id: str, taxpayer: str, channel: str, node: str, limit: int, now: datetime
    ) -> Upload | None:
        claim = _Claim(upload_id, wire_id, taxpayer, channel, node, limit, now)
        return await self._write(lambda transaction: _begin(transaction, claim))

    async def end_upload(self, end: UploadEnd, advances: Sequence[Advance]) -> list[bool]:
        return await self._write(lambda transaction: _end(transaction, end, advances))

    async def open_uploads(self, node: str | None = None) -> list[Upload]:
        uploads = []
        for taxpayer, identity, wire_id, channel, owner, begun in await self._fetch(sql.OPEN_UPLOADS, node):
            found = await self._fetch(sql.UPLOADED_INVOICES, taxpayer, identity)
            records = tuple(record_of(row) for row in found)
            uploads.append(Upload(identity, wire_id, taxpayer, channel, owner, instant_of(begun), records, ()))
        return uploads

    async def alarming(self, now: datetime, limit: int) -> list[InvoiceRecord]:
        return await self._records(sql.ALARMING, microseconds(now), limit)

    async def advance(self, advances: Sequence[Advance]) -> list[bool]:
        return await self._write(lambda transaction: advance_all(transaction, advances)) if advances else []

    async def _records(self, statement: str, *parameters: object) -> list[InvoiceRecord]:
        return [record_of(row) for row in await self._fetch(statement, *parameters)]


async def _begin(transaction: Transaction, claim: _Claim) -> Upload | None:
    if await transaction.value(sql.UPLOAD_EXISTS, claim.taxpayer, claim.id):
        raise defect("上传标识重复", "An id of an upload is used twice", id=claim.id)
    ids = await _batch(transaction, claim)
    if not ids:
        return None
    names = (claim.taxpayer, claim.id, claim.wire_id, claim.channel, claim.node)
    await transaction.execute(sql.INSERT_UPLOAD, *names, microseconds(claim.now), ids)
    claimed = [record_of(row) for row in await transaction.rows(sql.CLAIM, claim.taxpayer, ids)]
    transaction.moves.move(claim.taxpayer, State.ISSUED, State.UPLOADING, len(claimed))
    records = tuple(sorted(claimed, key=lambda record: (stored_deadline(record.deadline), record.id)))
    for record in records:
        transaction.append(upload_begun_event(record, claim.id, claim.wire_id, claim.node, claim.now), record.id)
    found = await transaction.rows(sql.DOCUMENTS, claim.taxpayer, ids)
    documents = {identity: SealedDocument(*document) for identity, *document in found}
    every = tuple(documents.get(record.id) for record in records)
    return Upload(claim.id, claim.wire_id, claim.taxpayer, claim.channel, claim.node, claim.now, records, every)


async def _batch(transaction: Transaction, claim: _Claim) -> list[int]:
    """The earliest deadline first, then the oldest. One that must go alone goes when it is first, else it waits."""
    if claim.limit < 1:
        return []
    key = (claim.taxpayer, claim.channel, microseconds(claim.now))
    first = await transaction.row(sql.FIRST_TO_UPLOAD, *key)
    if first is None:
        return []
    identity, alone = first
    return [identity] if alone else [row[0] for row in await transaction.rows(sql.NEXT_TO_UPLOAD, *key, claim.limit)]


async def _end(transaction: Transaction, end: UploadEnd, advances: Sequence[Advance]) -> list[bool]:
    key = (end.taxpayer, end.id)
    found = await transaction.row(sql.LOCK_UPLOAD, *key)
    if found is None:
        raise defect("没有此上传", "There is no such upload", id=end.id)
    if end.attempts.keys() - {row[0] for row in await transaction.rows(sql.ATTEMPTS, *key)}:
        raise defect("结果含有未上传的发票", "An outcome names an invoice that was not in the upload", id=end.id)
    if found[0] is None:
        await transaction.execute(
            sql.END_UPLOAD, *key, microseconds(end.ended_at), end.phase, end.bytes_sent, end.outcome,
            stored(end.cause), stored(end.submission), stored(end.timeline), list(end.attempts.keys()),
            list(end.attempts.values()),
        )  # fmt: skip
        transaction.append(upload_ended_event(end))
    return await advance_all(transaction, advances)
