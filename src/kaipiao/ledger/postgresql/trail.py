"""The event trail in PostgreSQL: writing it, and its chains. Reading it: `listing`."""

from __future__ import annotations

from collections.abc import Sequence

from kaipiao.ledger.port import ChainHead, EventDraft
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.rows import order_digest
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds


class Trail(Handle):
    """The trail operations of the port."""

    async def append_events(self, events: Sequence[EventDraft]) -> None:
        await self._write(lambda transaction: _append(transaction, events))

    async def chain_tips(self) -> list[tuple[str, int, bytes]]:
        return [(writer, sequence, digest) for writer, sequence, digest in await self._fetch(sql.TIPS)]

    async def save_head(self, head: ChainHead) -> None:
        row = (head.writer, head.sequence, head.hash, microseconds(head.at), head.key_id, head.signature)
        await self._write(lambda transaction: transaction.execute(sql.SAVE_HEAD, *row))

    async def heads(self) -> list[ChainHead]:
        return [_head(*row) for row in await self._fetch(sql.HEADS)]


def _head(writer: str, sequence: int, digest: bytes, at: int, key_id: str, signature: bytes) -> ChainHead:
    return ChainHead(writer, sequence, digest, instant_of(at), key_id, signature)


async def _append(transaction: Transaction, events: Sequence[EventDraft]) -> None:
    for draft in events:
        invoice: int | None = None
        if draft.taxpayer is not None and draft.subject is not None:
            invoice = await transaction.value(sql.LIVE_ID, draft.taxpayer, order_digest(draft.subject))
        transaction.append(draft, invoice)
