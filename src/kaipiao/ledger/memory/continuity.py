"""Checkpoints and hours, in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import islice

from kaipiao.invoice.lifecycle import DEBT
from kaipiao.ledger.continuity import HOUR, Checkpoint, HourTotal, hours_to_count
from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import ZERO, prepared
from kaipiao.ledger.port import Event, EventDraft


class Continuity(Handle):
    """The operations of `ContinuityBooks`."""

    async def signals(self, kinds: Collection[str], *, after: int = 0, limit: int = 1000) -> list[Event]:
        found = (e for e in self.store.events[after:] if e.taxpayer is None and e.kind in kinds)
        return list(islice(found, limit))

    async def checkpoint(self, name: str) -> Checkpoint | None:
        return self.store.checkpoints.get(name)

    async def save_checkpoint(self, name: str, version: int, content: str, events: Sequence[EventDraft]) -> bool:
        known = self.store.checkpoints.get(name)
        if (known.version if known else 0) != version:
            return False
        drafts = prepared(list(events))
        self.store.checkpoints[name] = Checkpoint(version + 1, content)
        self.store.append(self.writer, drafts)
        return True

    async def oldest_debts(self, taxpayers: Collection[str]) -> dict[str, datetime]:
        oldest: dict[str, datetime] = {}
        for state in DEBT:
            for record in self.store.in_state(state):
                if record.taxpayer in taxpayers:
                    oldest[record.taxpayer] = min(record.made_at, oldest.get(record.taxpayer, record.made_at))
        return oldest

    async def debts_of(self, places: Collection[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
        oldest: dict[tuple[str, str], datetime] = {}
        for state in DEBT:
            for record in self.store.in_state(state):
                if (place := (record.taxpayer, record.channel)) in places:
                    oldest[place] = min(record.made_at, oldest.get(place, record.made_at))
        return oldest

    async def shard_holders(self) -> dict[str, str]:
        return {taxpayer: shard.node for taxpayer, shard in self.store.shards.items() if shard.node is not None}

    async def keep_hours(self, taxpayer: str, first: datetime, end: datetime) -> int:
        kept = self.store.hours.setdefault(taxpayer, {})
        made = [
            (record.made_at, self.store.taken_quota.get(key, ZERO))
            for key, record in self.store.invoices.items()
            if key[0] == taxpayer and record.number is not None and record.made_at >= first
        ]
        wanted = hours_to_count(max(kept, default=None), min((at for at, _ in made), default=None), first, end)
        for hour in wanted:
            inside = [quota for at, quota in made if hour <= at < hour + HOUR]
            kept[hour] = HourTotal(hour, len(inside), sum(inside, ZERO))
        for hour in [hour for hour in kept if hour < first]:
            del kept[hour]
        return len(wanted)

    async def hours(self, taxpayer: str, wanted: Sequence[datetime]) -> list[HourTotal]:
        kept = self.store.hours.get(taxpayer, {})
        return [kept[hour] for hour in sorted(set(wanted)) if hour in kept]
