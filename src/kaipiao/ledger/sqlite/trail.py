"""The event trail in SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from kaipiao.ledger.port import ChainHead, Event, EventDraft
from kaipiao.ledger.rows import event_of
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds

# By whether the taxpayer and the subject are asked for.
_EVENTS = {
    (False, False): sql.EVENTS,
    (True, False): sql.EVENTS_OF_TAXPAYER,
    (False, True): sql.EVENTS_OF_SUBJECT,
    (True, True): sql.EVENTS_OF_ORDER,
}


class Trail(Handle):
    """The trail operations of the port."""

    async def append_events(self, events: Sequence[EventDraft]) -> None:
        await self._write(lambda transaction: _append(transaction, events))

    async def events(
        self, *, taxpayer: str | None = None, subject: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]:
        names = tuple(name for name in (taxpayer, subject) if name is not None)
        statement = _EVENTS[(taxpayer is not None, subject is not None)]
        parameters = (*names, after, limit)
        return [event_of(row) for row in await self._read(lambda c: c.execute(statement, parameters).fetchall())]

    async def last_position(self) -> int:
        (last,) = await self._read(lambda c: c.execute(sql.LAST_POSITION).fetchone())
        return int(last)

    async def chain_tips(self) -> list[tuple[str, int, bytes]]:
        return await self._read(lambda c: c.execute(sql.TIPS).fetchall())

    async def save_head(self, head: ChainHead) -> None:
        row = (head.writer, head.sequence, head.hash, microseconds(head.at), head.key_id, head.signature)
        await self._write(lambda transaction: transaction.many(sql.SAVE_HEAD, [row]))

    async def heads(self) -> list[ChainHead]:
        found = await self._read(lambda c: c.execute(sql.HEADS).fetchall())
        return [_head(*row) for row in found]


def _head(writer: str, sequence: int, digest: bytes, at: int, key_id: str, signature: bytes) -> ChainHead:
    return ChainHead(writer, sequence, digest, instant_of(at), key_id, signature)


def _append(transaction: Transaction, events: Sequence[EventDraft]) -> None:
    for draft in events:
        invoice: object = None
        if draft.taxpayer is not None and draft.subject is not None:
            found = transaction.row(sql.LIVE_ID, (draft.taxpayer, draft.subject))
            invoice = found[0] if found else None
        transaction.append(draft, invoice if isinstance(invoice, int) else None)
