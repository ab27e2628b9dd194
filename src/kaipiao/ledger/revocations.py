"""Tokens for programs that were revoked, as far as the nodes of one ledger tell each other. Instants are real time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredRevocations:
    """`tokens`: jti → when it was revoked. `subjects`: subject → tokens made until then are revoked."""

    revision: int
    tokens: Mapping[str, datetime]
    subjects: Mapping[str, datetime]


class RevocationBooks(Protocol):
    """The part of the ledger that is about revoked tokens."""

    async def save_revocations(
        self, tokens: Mapping[str, datetime], subjects: Mapping[str, datetime], forget: datetime
    ) -> None:
        """Add these: of a token the first instant stays, of a subject a later one wins. What was revoked before `forget`
        concerns no token that is in time any more, and is dropped. Idempotent."""
        ...

    async def revocations(self, known: int | None) -> StoredRevocations | None:
        """None when the revision is still the known one: nothing was revoked since."""
        ...
