"""Alarms, in SQLite."""

from __future__ import annotations

import json
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
from kaipiao.ledger.rows import event_of
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.statements import EVENT_COLUMNS
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds

BEGIN = """
INSERT INTO alarm_desk (id, revision, position, last_id, lease_until) VALUES (1, 0, ?, 0, 0)
ON CONFLICT (id) DO NOTHING
"""
DESK = "SELECT revision, position, last_id FROM alarm_desk WHERE id = 1"
HOLD = """
UPDATE alarm_desk SET node = ?1, lease_until = ?2 WHERE id = 1 AND (node IS NULL OR node = ?1 OR lease_until <= ?3)
"""
RELEASE = "UPDATE alarm_desk SET node = NULL WHERE id = 1 AND node = ?"
CHANGE = "UPDATE alarm_desk SET revision = revision + 1, position = ?, last_id = ? WHERE id = 1 AND revision = ?"
# lint: all taxpayers: the desk judges what happens to all; the API passes on only what the caller may see
EVENTS = f"""
SELECT {EVENT_COLUMNS} FROM event WHERE position > ? AND position <= ? AND kind IN (SELECT value FROM json_each(?))
ORDER BY position LIMIT ?
"""  # noqa: S608
SAVE_ALARM = """
INSERT INTO alarm (id, about, is_open, body) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET is_open = excluded.is_open, body = excluded.body
"""
SAVE_SILENCE = """
INSERT INTO silence (id, until, body) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET until = excluded.until, body = excluded.body
"""
SAVE_MESSAGE = """
INSERT INTO message (id, state, made_at, next_at, epoch, lease_until, body) VALUES (?, 'waiting', ?, ?, 0, 0, ?)
"""
ALARMS = """
SELECT body FROM alarm WHERE id > ? AND (? OR about IN (SELECT value FROM json_each(?))) ORDER BY id LIMIT ?
"""
OPEN_ALARMS = """
SELECT body FROM alarm WHERE is_open = 1 AND id > ? AND (? OR about IN (SELECT value FROM json_each(?)))
ORDER BY id LIMIT ?
"""
ALARM = "SELECT body FROM alarm WHERE id = ?"
SILENCES = "SELECT body FROM silence WHERE until > ? ORDER BY id"
DUE = """
SELECT id, epoch, body FROM message WHERE state = 'waiting' AND next_at <= ? AND lease_until <= ? ORDER BY id LIMIT ?
"""
LEASE = "UPDATE message SET epoch = epoch + 1, node = ?, lease_until = ? WHERE id = ?"
END = """
UPDATE message SET state = ?, next_at = ?, ended_at = ?, node = NULL, lease_until = 0, body = ?
WHERE id = ? AND epoch = ? AND state = 'waiting'
"""
OUTBOX = "SELECT count(*), min(made_at) FROM message WHERE state = 'waiting'"
FORGET = "DELETE FROM message WHERE ended_at < ?"


class Alarms(Handle):
    """The operations of `AlarmBooks`."""

    async def begin_alarms(self, position: int) -> None:
        await self._write(lambda transaction: transaction.execute(BEGIN, (position,)).rowcount)

    async def hold_alarms(self, node: str, seconds: float) -> AlarmDesk | None:
        now = self._lease_clock()

        def hold(transaction: Transaction) -> AlarmDesk | None:
            held = transaction.execute(HOLD, (node, now + seconds, now)).rowcount
            return _desk(transaction.row(DESK)) if held else None

        return await self._write(hold)

    async def release_alarms(self, node: str) -> None:
        await self._write(lambda transaction: transaction.execute(RELEASE, (node,)).rowcount)

    async def alarm_desk(self) -> AlarmDesk:
        return await self._read(lambda c: _desk(c.execute(DESK).fetchone()))

    async def alarm_events(self, kinds: Collection[str], after: int, until: int, limit: int) -> list[Event]:
        parameters = (after, until, json.dumps(sorted(kinds)), limit)
        return [event_of(row) for row in await self._read(lambda c: c.execute(EVENTS, parameters).fetchall())]

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
        parameters = (after, taxpayers is None, json.dumps(sorted(taxpayers or ())), limit)
        found = await self._read(lambda c: c.execute(statement, parameters).fetchall())
        return [row_of(Alarm, body) for (body,) in found]

    async def alarm(self, identity: int) -> Alarm | None:
        found = await self._read(lambda c: c.execute(ALARM, (identity,)).fetchone())
        return row_of(Alarm, found[0]) if found else None

    async def silences(self, ending_after: datetime) -> list[Silence]:
        found = await self._read(lambda c: c.execute(SILENCES, (microseconds(ending_after),)).fetchall())
        return [row_of(Silence, body) for (body,) in found]

    async def lease_messages(self, node: str, now: datetime, seconds: float, limit: int) -> list[Message]:
        lease = self._lease_clock()

        def take(transaction: Transaction) -> list[Message]:
            due: list[Any] = transaction.execute(DUE, (microseconds(now), lease, limit)).fetchall()
            transaction.many(LEASE, [(node, lease + seconds, identity) for identity, _, _ in due])
            return [row_of(Message, body, epoch=epoch + 1) for _, epoch, body in due]

        return await self._write(take)

    async def save_message(self, message: Message) -> bool:
        ended = None if message.ended_at is None else microseconds(message.ended_at)
        row = (
            str(message.state), microseconds(message.next_at), ended, text_of(message), message.id, message.epoch,
        )  # fmt: skip
        return bool(await self._write(lambda transaction: transaction.execute(END, row).rowcount))

    async def outbox(self) -> Outbox:
        waiting, oldest = await self._read(lambda c: c.execute(OUTBOX).fetchone())
        return Outbox(waiting, None if oldest is None else instant_of(oldest))

    async def forget_messages(self, ended_before: datetime) -> None:
        row = (microseconds(ended_before),)
        await self._write(lambda transaction: transaction.execute(FORGET, row).rowcount)


def _change(transaction: Transaction, change: AlarmChange) -> bool:
    if not transaction.execute(CHANGE, (change.position, change.last_id, change.revision)).rowcount:
        return False
    transaction.many(SAVE_ALARM, [(one.id, one.taxpayer, one.is_open, text_of(one)) for one in change.alarms])
    transaction.many(SAVE_SILENCE, [(one.id, microseconds(one.until), text_of(one)) for one in change.silences])
    transaction.many(SAVE_MESSAGE, [_message(one) for one in change.messages])
    for draft in change.events:
        transaction.append(draft)
    return True


def _message(message: Message) -> tuple[object, ...]:
    fresh = replace(message, epoch=0, state=MessageState.WAITING)
    return (message.id, microseconds(message.made_at), microseconds(message.next_at), text_of(fresh))


def _desk(row: Any) -> AlarmDesk:
    return AlarmDesk(*row) if row else AlarmDesk(0, 0, 0)
