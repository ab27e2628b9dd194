"""The event trail in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from kaipiao.ledger.port import ChainHead, Event, EventDraft
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.rows import order_digest
from kaipiao.ledger.postgresql.texts import original, stored
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.rows import event_of
from kaipiao.ledger.trail import instant_of, microseconds

_GLANCES, _PAUSE = 25, 0.02  # how often, and seconds between, one looks for commits under way to come to their end


class Trail(Handle):
    """The trail operations of the port."""

    async def append_events(self, events: Sequence[EventDraft]) -> None:
        await self._write(lambda transaction: _append(transaction, events))

    async def events(
        self, *, taxpayer: str | None = None, subject: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]:
        return await settled_events(lambda: self._events(taxpayer, subject, after, limit))

    async def last_position(self) -> int:
        ((last,),) = await self._fetch(sql.LAST_POSITION)
        return int(last)

    async def chain_tips(self) -> list[tuple[str, int, bytes]]:
        return [(writer, sequence, digest) for writer, sequence, digest in await self._fetch(sql.TIPS)]

    async def save_head(self, head: ChainHead) -> None:
        row = (head.writer, head.sequence, head.hash, microseconds(head.at), head.key_id, head.signature)
        await self._write(lambda transaction: transaction.execute(sql.SAVE_HEAD, *row))

    async def heads(self) -> list[ChainHead]:
        return [_head(*row) for row in await self._fetch(sql.HEADS)]

    async def _events(self, taxpayer: str | None, subject: str | None, after: int, limit: int) -> list[Any]:
        if taxpayer is not None and subject is not None:
            key = (taxpayer, stored(subject), order_digest(subject))
            return await self._fetch(sql.EVENTS_OF_ORDER, *key, after, limit)
        if taxpayer is not None:
            return await self._fetch(sql.EVENTS_OF_TAXPAYER, taxpayer, after, limit)
        if subject is not None:
            return await self._fetch(sql.EVENTS_OF_SUBJECT, stored(subject), order_digest(subject), after, limit)
        return await self._fetch(sql.EVENTS, after, limit)


async def settled_events(read: Callable[[], Awaitable[list[Any]]]) -> list[Event]:
    """Up to the first event that a transaction still under way may yet come before: who pages on misses nothing.
    Waits up to half a second for such transactions."""
    found: list[Any] = []
    for _ in range(_GLANCES):
        found = await read()
        if all(settled for *_, settled in found):
            break
        await asyncio.sleep(_PAUSE)
    events = []
    for *row, settled in found:
        if not settled:
            break
        events.append(_event(tuple(row)))
    return events


def _event(row: tuple[Any, ...]) -> Event:
    event = event_of(row)
    return event if event.subject is None else replace(event, subject=original(event.subject))


def _head(writer: str, sequence: int, digest: bytes, at: int, key_id: str, signature: bytes) -> ChainHead:
    return ChainHead(writer, sequence, digest, instant_of(at), key_id, signature)


async def _append(transaction: Transaction, events: Sequence[EventDraft]) -> None:
    for draft in events:
        invoice: int | None = None
        if draft.taxpayer is not None and draft.subject is not None:
            invoice = await transaction.value(sql.LIVE_ID, draft.taxpayer, order_digest(draft.subject))
        transaction.append(draft, invoice)
