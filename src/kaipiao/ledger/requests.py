"""Requests that carry an `Idempotency-Key`, and what they were answered: kept for a time, the same on every node.

Sales need none of it: their order key never expires. Instants are real time, never a sandbox's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """`subject`: whose token. `key`: the caller's own. `digest`: SM3 of everything that the request asks."""

    subject: str
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was given, to be given again."""

    status: int
    media: str
    body: bytes = field(repr=False)


class Found(StrEnum):
    """What there is of a key already."""

    NEW = "new"  # nothing, or what is over; it is now under way
    UNDER_WAY = "under_way"
    ANSWERED = "answered"
    OTHER = "other"  # another request has this key


@dataclass(frozen=True, slots=True)
class Earlier:
    found: Found
    answer: KeptAnswer | None = None  # of one that is ANSWERED


NEW = Earlier(Found.NEW)


class RequestBooks(Protocol):
    """The part of the ledger that is about requests with a key."""

    async def begin_request(
        self, request: KeyedRequest, now: datetime, until: datetime, abandoned: datetime
    ) -> Earlier:
        """Write down that it is under way, unless there is something of its key. What is kept is kept `until`; one that has
        been under way since before `abandoned` was left by a node that died, and is taken over by the same request."""
        ...

    async def end_request(self, request: KeyedRequest, answer: KeptAnswer | None) -> None:
        """It was answered so; None: nothing to keep, the key is free again."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """What is held of a key. `begun`: microseconds since 1970."""

    digest: bytes
    begun: int
    answer: KeptAnswer | None

    def judged(self, request: KeyedRequest, abandoned: int) -> Earlier:
        """NEW here means: to be taken over."""
        if self.digest != request.digest:
            return Earlier(Found.OTHER)
        if self.answer is not None:
            return Earlier(Found.ANSWERED, self.answer)
        return NEW if self.begun < abandoned else Earlier(Found.UNDER_WAY)


def row_of(columns: tuple[bytes, int, int, str, bytes]) -> Row:
    """digest, begun_at, status (0: under way), media, body."""
    digest, begun, status, media, body = columns
    return Row(bytes(digest), begun, KeptAnswer(status, media, bytes(body)) if status else None)
