"""The event trail in memory."""

from __future__ import annotations

from collections.abc import Sequence

from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import prepared
from kaipiao.ledger.port import ChainHead, Event, EventDraft


class Trail(Handle):
    """The trail operations of the port."""

    async def append_events(self, events: Sequence[EventDraft]) -> None:
        self.store.append(self.writer, prepared(list(events)))

    async def events(
        self, *, taxpayer: str | None = None, subject: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]:
        found = []
        for event in self.store.events[max(0, after) :]:
            if taxpayer in (None, event.taxpayer) and subject in (None, event.subject):
                found.append(event)
                if len(found) >= limit:
                    break
        return found

    async def last_position(self) -> int:
        return len(self.store.events)

    async def chain_tips(self) -> list[tuple[str, int, bytes]]:
        return [(tip.writer, tip.sequence, tip.hash) for _, tip in sorted(self.store.tips.items())]

    async def save_head(self, head: ChainHead) -> None:
        self.store.heads.append(head)

    async def heads(self) -> list[ChainHead]:
        return sorted(self.store.heads, key=lambda h: (h.writer, h.sequence, h.at))
