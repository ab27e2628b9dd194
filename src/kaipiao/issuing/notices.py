"""Events of what changed while nobody could wait for the ledger: kept in order, written as soon as it takes them."""

from __future__ import annotations

import logging
from collections import deque
from datetime import datetime

from kaipiao.errors import KaipiaoError
from kaipiao.ledger.port import EventDraft, Ledger

log = logging.getLogger(__name__)

MOST = 1000  # that wait for a ledger that is away; the oldest go first, and the log has them all


class Notices:
    """Of this node. Each is written once, unless the ledger took it and could not say so."""

    def __init__(self, ledger: Ledger, node: str) -> None:
        self._ledger = ledger
        self._node = node
        self._waiting: deque[EventDraft] = deque(maxlen=MOST)

    def add(self, kind: str, at: datetime, **data: str | int | bool | None) -> None:
        """Values never say anything of a buyer."""
        self._waiting.append(EventDraft(kind, at, None, None, {**data, "node": self._node}))

    async def flush(self) -> bool:
        """Write what waits; False when the ledger would not take it now."""
        some, self._waiting = list(self._waiting), deque(maxlen=MOST)
        if not some:
            return True
        try:
            await self._ledger.append_events(some)
        except BaseException as error:
            self._waiting = deque([*some, *self._waiting], maxlen=MOST)
            if not isinstance(error, KaipiaoError):
                raise
            log.error("events wait for the ledger", extra={"code": error.code, "events": len(some)})
            return False
        return True
