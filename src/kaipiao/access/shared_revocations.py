"""What was revoked on other nodes of the same ledger. The list of this data directory is handed on to the ledger, and what the
ledger has is taken up from there: at a steady pace, so that no request costs a read more."""

from __future__ import annotations

from datetime import datetime

from kaipiao.access.revocations import LONGEST_LIFE, NOTHING, Revoked
from kaipiao.access.watched import Watched
from kaipiao.ledger.revocations import RevocationBooks

LOOK_SECONDS = 0.75  # real time: revoked on one node, a token is refused on another after two looks


class SharedRevocations:
    """`value` as it was at the last look; while the ledger does not answer it stays. `version` rises with every change."""

    def __init__(self, local: Watched[Revoked]) -> None:
        self._local = local
        self._revision: int | None = None
        self.value = NOTHING
        self.version = 0

    async def look(self, books: RevocationBooks, now: datetime) -> float:
        """Hand on and take up. Returns the seconds until the next look."""
        await self._hand_on(books, now)
        await self.take_up(books)
        return LOOK_SECONDS

    async def take_up(self, books: RevocationBooks) -> None:
        """What the ledger has."""
        found = await books.revocations(self._revision)
        if found is None:
            return
        self._revision = found.revision
        fresh = Revoked(found.tokens, found.subjects)
        if fresh != self.value:  # sessions raise the revision too
            self.value = fresh
            self.version += 1

    async def _hand_on(self, books: RevocationBooks, now: datetime) -> None:
        held, known, oldest = self._local.at_once(), self.value, now - LONGEST_LIFE
        tokens = {jti: at for jti, at in held.tokens.items() if at >= oldest and jti not in known.tokens}
        subjects = {
            name: at
            for name, at in held.subjects.items()
            if at >= oldest and (name not in known.subjects or known.subjects[name] < at)
        }
        if tokens or subjects:
            await books.save_revocations(tokens, subjects, oldest)
