"""What may be read somewhat late: lists, counts and the trail. Everything else is asked of the ledger itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import ALWAYS, Event, InvoiceRecord, Span


class ListBooks(Protocol):
    """A part of `Ledger`. No order key, number, quota or document can be asked for here, and nothing that is due."""

    async def page(
        self,
        taxpayer: str,
        *,
        states: Sequence[State] = (),
        after: int = 0,
        limit: int = 100,
        kind: str | None = None,
        channel: str | None = None,
        made: Span = ALWAYS,
    ) -> list[InvoiceRecord]: ...

    async def state_counts(self, taxpayer: str) -> dict[State, int]: ...

    async def events(
        self, *, taxpayer: str | None = None, subject: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]: ...

    async def platform_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]: ...
    async def last_position(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a copy found. Everything that was committed before the instant `at` (`time.monotonic`) is in it.
    `lag`: seconds that it took to have what the primary had."""

    at: float
    lag: float


class Copy(ListBooks, Protocol):
    """A server that follows the primary."""

    @property
    def seen(self) -> Seen | None:
        """The last look; None when the way to the copy was lost since, or there was none yet."""
        ...

    async def look(self, patience: float) -> Seen:
        """Compare it with the primary; it has so many seconds to come to where the primary is. Raises `LedgerFault`: a
        `ReplicaBehind` when it did not, a `ReplicaUnfit` for a server that is no copy of ours."""
        ...

    async def close(self) -> None: ...
