"""Alarms, in memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from kaipiao.ledger.alarms import Alarm, AlarmChange, AlarmDesk, Message, MessageState, Outbox, Silence
from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import prepared
from kaipiao.ledger.port import Event


class Alarms(Handle):
    """The operations of `AlarmBooks`."""

    async def begin_alarms(self, position: int) -> None:
        if self.store.alarms.desk is None:
            self.store.alarms.desk = AlarmDesk(0, position, 0)

    async def hold_alarms(self, node: str, seconds: float) -> AlarmDesk | None:
        books, now = self.store.alarms, self._lease_clock()
        if books.desk is None or (books.holder is not None and books.holder[0] != node and books.holder[1] > now):
            return None
        books.holder = (node, now + seconds)
        return books.desk

    async def release_alarms(self, node: str) -> None:
        books = self.store.alarms
        if books.holder is not None and books.holder[0] == node:
            books.holder = None

    async def alarm_desk(self) -> AlarmDesk:
        return self.store.alarms.desk or AlarmDesk(0, 0, 0)

    async def alarm_events(self, kinds: Collection[str], after: int, until: int, limit: int) -> list[Event]:
        found = [event for event in self.store.events[max(0, after) : until] if event.kind in kinds]
        return found[:limit]

    async def change_alarms(self, change: AlarmChange) -> bool:
        books = self.store.alarms
        if books.desk is None or books.desk.revision != change.revision:
            return False
        events = prepared(list(change.events))
        books.desk = AlarmDesk(change.revision + 1, change.position, change.last_id)
        books.alarms |= {one.id: one for one in change.alarms}
        books.silences |= {one.id: one for one in change.silences}
        books.messages |= {one.id: one for one in change.messages}
        self.store.append(self.writer, events)
        return True

    async def alarms(
        self,
        *,
        taxpayers: Collection[str] | None = None,
        open_only: bool = False,
        after: int = 0,
        limit: int = 100,
    ) -> list[Alarm]:
        found = [one for _, one in sorted(self.store.alarms.alarms.items()) if one.id > after]
        mine = [one for one in found if taxpayers is None or one.taxpayer in taxpayers]
        return [one for one in mine if one.is_open or not open_only][:limit]

    async def alarm(self, identity: int) -> Alarm | None:
        return self.store.alarms.alarms.get(identity)

    async def silences(self, ending_after: datetime) -> list[Silence]:
        return [one for _, one in sorted(self.store.alarms.silences.items()) if one.until > ending_after]

    async def lease_messages(self, node: str, now: datetime, seconds: float, limit: int) -> list[Message]:
        books, lease = self.store.alarms, self._lease_clock()
        waiting = [one for _, one in sorted(books.messages.items()) if one.state is MessageState.WAITING]
        due = [one for one in waiting if one.next_at <= now and books.leases.get(one.id, 0.0) <= lease][:limit]
        taken = [replace(one, epoch=one.epoch + 1) for one in due]
        books.messages |= {one.id: one for one in taken}
        books.leases |= {one.id: lease + seconds for one in taken}
        return taken

    async def save_message(self, message: Message) -> bool:
        books = self.store.alarms
        present = books.messages.get(message.id)
        if present is None or present.epoch != message.epoch or present.state is not MessageState.WAITING:
            return False
        books.messages[message.id] = message
        books.leases.pop(message.id, None)
        return True

    async def outbox(self) -> Outbox:
        made = [one.made_at for one in self.store.alarms.messages.values() if one.state is MessageState.WAITING]
        return Outbox(len(made), min(made, default=None))

    async def forget_messages(self, ended_before: datetime) -> None:
        books = self.store.alarms
        books.messages = {
            key: one for key, one in books.messages.items() if one.ended_at is None or one.ended_at >= ended_before
        }
