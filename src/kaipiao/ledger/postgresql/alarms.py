"""Alarms, in PostgreSQL: of two nodes that change the desk at once, one does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from kaipiao.ledger.alarms import (
    Alarm,
    AlarmChange,
    AlarmDesk,
    Message,
    MessageState,
    Outbox,
    Silence,
    row_of,
    text_of,
)
from kaipiao.ledger.port import Event
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.listing import settled_events
from kaipiao.ledger.postgresql.statements import EVENT_COLUMNS
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds

# ruff: noqa: S608

_NOW = "coalesce({}::float8, extract(epoch FROM clock_timestamp())::float8)"
BEGIN = """
INSERT INTO alarm_desk (id, revision, position, last_id, lease_until) VALUES (1, 0, $1, 0, 0)
ON CONFLICT (id) DO NOTHING
"""
DESK = "SELECT revision, position, last_id FROM alarm_desk WHERE id = 1"
HOLD = f"""
UPDATE alarm_desk SET node = $2, lease_until = {_NOW.format("$1")} + $3::float8
WHERE id = 1 AND (node IS NULL OR node = $2 OR lease_until <= {_NOW.format("$1")})
RETURNING revision, position, last_id
"""
RELEASE = "UPDATE alarm_desk SET node = NULL WHERE id = 1 AND node = $1"
CHANGE = "UPDATE alarm_desk SET revision = revision + 1, position = $1, last_id = $2 WHERE id = 1 AND revision = $3"
# lint: all taxpayers: the desk judges what happens to all; the API passes on only what the caller may see
EVENTS = f"""
SELECT {EVENT_COLUMNS} FROM event WHERE position > $1 AND position <= $2 AND kind = ANY($3::text[])
ORDER BY position LIMIT $4
"""
SAVE_ALARMS = """
INSERT INTO alarm (id, about, is_open, body) SELECT * FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::text[])
ON CONFLICT (id) DO UPDATE SET is_open = excluded.is_open, body = excluded.body
"""
SAVE_SILENCES = """
INSERT INTO silence (id, until, body) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])
ON CONFLICT (id) DO UPDATE SET until = excluded.until, body = excluded.body
"""
SAVE_MESSAGES = """
INSERT INTO message (id, state, made_at, next_at, epoch, lease_until, body)
SELECT i, 'waiting', m, n, 0, 0, b FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) AS given (i, m, n, b)
"""
ALARMS = "SELECT body FROM alarm WHERE id > $1 AND ($2::text[] IS NULL OR about = ANY($2)) ORDER BY id LIMIT $3"
OPEN_ALARMS = """
SELECT body FROM alarm WHERE is_open AND id > $1 AND ($2::text[] IS NULL OR about = ANY($2)) ORDER BY id LIMIT $3
"""
ALARM = "SELECT body FROM alarm WHERE id = $1"
SILENCES = "SELECT body FROM silence WHERE until > $1 ORDER BY id"
LEASE = f"""
UPDATE message SET epoch = epoch + 1, node = $2, lease_until = {_NOW.format("$1")} + $3::float8
WHERE id IN (
    SELECT id FROM message WHERE state = 'waiting' AND next_at <= $4 AND lease_until <= {_NOW.format("$1")}
    ORDER BY id LIMIT $5 FOR UPDATE SKIP LOCKED)
RETURNING id, epoch, body
"""
END = """
UPDATE message SET state = $1, next_at = $2, ended_at = $3, node = NULL, lease_until = 0, body = $4
WHERE id = $5 AND epoch = $6 AND state = 'waiting'
"""
OUTBOX = "SELECT count(*), min(made_at) FROM message WHERE state = 'waiting'"
FORGET = """
DELETE FROM message WHERE id IN (
    SELECT id FROM message WHERE ended_at < $1 ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""


class Alarms(Handle):
    """The operations of `AlarmBooks`."""

    async def begin_alarms(self, position: int) -> None:
        await self._write(lambda transaction: transaction.execute(BEGIN, position))

    async def hold_alarms(self, node: str, seconds: float) -> AlarmDesk | None:
        row = (self._lease_now(), node, seconds)
        found = await self._write(lambda transaction: transaction.row(HOLD, *row))
        return None if found is None else AlarmDesk(*found)

    async def release_alarms(self, node: str) -> None:
        await self._write(lambda transaction: transaction.execute(RELEASE, node))

    async def alarm_desk(self) -> AlarmDesk:
        found = await self._fetch(DESK)
        return AlarmDesk(*found[0]) if found else AlarmDesk(0, 0, 0)

    async def alarm_events(self, kinds: Collection[str], after: int, until: int, limit: int) -> list[Event]:
        return await settled_events(lambda: self._fetch(EVENTS, after, until, sorted(kinds), limit))

    async def change_alarms(self, change: AlarmChange) -> bool:
        return await self._write(lambda transaction: _change(transaction, change))

    async def alarms(
        self,
        *,
        taxpayers: Collection[str] | None = None,
        open_only: bool = False,
        after: int = 0,
        limit: int = 100,
    ) -> list[Alarm]:
        statement = OPEN_ALARMS if open_only else ALARMS
        of = None if taxpayers is None else sorted(taxpayers)
        return [row_of(Alarm, body) for (body,) in await self._fetch(statement, after, of, limit)]

    async def alarm(self, identity: int) -> Alarm | None:
        found = await self._fetch(ALARM, identity)
        return row_of(Alarm, found[0][0]) if found else None

    async def silences(self, ending_after: datetime) -> list[Silence]:
        return [row_of(Silence, body) for (body,) in await self._fetch(SILENCES, microseconds(ending_after))]

    async def lease_messages(self, node: str, now: datetime, seconds: float, limit: int) -> list[Message]:
        row = (self._lease_now(), node, seconds, microseconds(now), limit)
        found = await self._write(lambda transaction: transaction.rows(LEASE, *row))
        return [row_of(Message, body, epoch=epoch) for _, epoch, body in sorted(tuple(one) for one in found)]

    async def save_message(self, message: Message) -> bool:
        ended = None if message.ended_at is None else microseconds(message.ended_at)
        row = (
            str(message.state), microseconds(message.next_at), ended, text_of(message), message.id, message.epoch,
        )  # fmt: skip
        return bool(await self._write(lambda transaction: transaction.execute(END, *row)))

    async def outbox(self) -> Outbox:
        ((waiting, oldest),) = await self._fetch(OUTBOX)
        return Outbox(waiting, None if oldest is None else instant_of(oldest))

    async def forget_messages(self, ended_before: datetime) -> None:
        at = microseconds(ended_before)
        await self._write(lambda transaction: transaction.execute(FORGET, at))


async def _change(transaction: Transaction, change: AlarmChange) -> bool:
    if not await transaction.execute(CHANGE, change.position, change.last_id, change.revision):
        return False
    alarms = [(one.id, one.taxpayer, one.is_open, text_of(one)) for one in change.alarms]
    silences = [(one.id, microseconds(one.until), text_of(one)) for one in change.silences]
    messages = [_message(one) for one in change.messages]
    for statement, rows in ((SAVE_ALARMS, alarms), (SAVE_SILENCES, silences), (SAVE_MESSAGES, messages)):
        if rows:
            await transaction.execute(statement, *_columns(rows))
    for draft in change.events:
        transaction.append(draft)
    return True


def _columns(rows: list[Any]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _message(message: Message) -> tuple[object, ...]:
    fresh = replace(message, epoch=0, state=MessageState.WAITING)
    return (message.id, microseconds(message.made_at), microseconds(message.next_at), text_of(fresh))
