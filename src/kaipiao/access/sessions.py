"""Whether a session still holds: cached, so that a request costs no read of the ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from kaipiao.access.refused import SessionEnded
from kaipiao.access.tokens import Session
from kaipiao.ledger.accounts import AccountBooks, SessionMarks

LOOK_SECONDS = 2.0  # real time: so long a session may be good on a node after it was ended on another


class Sessions:
    """At most one look at the ledger's revision every `LOOK_SECONDS`, and only while sessions are used. When the ledger does
    not answer no session is good: its error is passed on."""

    def __init__(self, books: AccountBooks, now: Callable[[], float] = time.monotonic) -> None:
        self._books = books
        self._now = now
        self._marks = SessionMarks(-1, {}, frozenset())
        self._next_look = 0.0
        self._looking = asyncio.Lock()

    async def require_live(self, session: Session) -> None:
        """Raise `SessionEnded` unless it was begun under the account's present epoch and was not ended."""
        if self._now() >= self._next_look or session.epoch > self._epoch(session.account):
            await self._look(session)
        if self._epoch(session.account) != session.epoch or session.jti in self._marks.ended:
            raise SessionEnded

    def look_again(self) -> None:
        """Something was changed here: the next request sees it."""
        self._next_look = 0.0

    def _epoch(self, account: str) -> int:
        return self._marks.epochs.get(account, 0)

    async def _look(self, session: Session) -> None:
        async with self._looking:
            if self._now() < self._next_look and session.epoch <= self._epoch(session.account):
                return  # another has looked meanwhile
            begun = self._now()
            known = self._marks.revision
            found = await self._books.session_marks(None if known < 0 else known)
            if found is not None:
                self._marks = found
            self._next_look = begun + LOOK_SECONDS
