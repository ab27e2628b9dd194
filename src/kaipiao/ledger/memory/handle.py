"""What every part of a memory ledger has at hand."""

from __future__ import annotations

import time
from collections.abc import Callable

from kaipiao.ledger.memory.store import MemoryStore


class Handle:
    """One node's view of a store. Every operation runs without a pause, so it is one commit by itself."""

    def __init__(
        self, writer: str, lease_clock: Callable[[], float] = time.monotonic, *, store: MemoryStore | None = None
    ) -> None:
        """`writer` names this node's run in the trail; `lease_clock` gives seconds, the same for all that share a store."""
        self.writer = writer
        self.store = store if store is not None else MemoryStore()
        self._lease_clock = lease_clock
