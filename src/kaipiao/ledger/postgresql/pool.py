"""The connections of one node: made when they are needed, kept while they are used, closed when they were idle for long.

One pool for reading and writing. It asks nothing of the server between two uses (asyncpg's own pool resets a connection
each time, at the cost of a round trip).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kaipiao.errors import LedgerFault
from kaipiao.language import Text
from kaipiao.ledger.pooling import SessionCounts
from kaipiao.ledger.postgresql.faults import DATABASE_ERRORS, TOO_MANY_CONNECTIONS, fault_of
from kaipiao.ledger.postgresql.limits import PoolLimits
from kaipiao.ledger.postgresql.patience import ConnectPatience
from kaipiao.ledger.postgresql.session import Check, Session, check_primary, connect

log = logging.getLogger(__name__)

_WHILE_FULL = 1.0  # seconds


class Pool:
    """At most `limits.most` sessions; those beyond `limits.least` go when they were idle for `idle_seconds`."""

    def __init__(
        self,
        url: str,
        name: str,
        limits: PoolLimits,
        idle_seconds: float,
        patience: ConnectPatience,
        check: Check = check_primary,
    ) -> None:
        """`check`: what every new session must pass."""
        self.limits = limits
        self._check = check
        self._url = url
        self._name = name
        self._idle_seconds = idle_seconds
        self._patience = patience
        self._idle: deque[Session] = deque()  # the last one used is the next one used
        self._waiting: deque[asyncio.Future[Session | None]] = deque()
        self._count = 0  # sessions that are there or being made
        self._full_until = 0.0
        self._closed = False

    async def connect(self) -> Session:
        """A new session, outside of the pool. Raises `LedgerFault`."""
        begun = time.monotonic()
        try:
            session = await connect(self._url, self._name, self._patience.seconds, self._check)
        except TimeoutError as error:
            self._patience.ran_out()
            raise LedgerFault(
                Text("连接数据库超时", "No connection to the database in time"), reason="time-out"
            ) from error
        except DATABASE_ERRORS as error:
            raise fault_of(error) from error
        self._patience.took(time.monotonic() - begun)
        return session

    async def fill(self, first: Session) -> None:
        """Take the first session in and make the rest of the least that shall be there."""
        self._count = 1
        self._put_back(first)
        missing = self.limits.least - 1
        for made in await asyncio.gather(*(self._make() for _ in range(missing)), return_exceptions=True):
            if isinstance(made, Session):
                self._put_back(made)
            else:
                log.warning("a connection of the least that shall be there could not be made: %s", made)

    def counts(self) -> SessionCounts:
        idle = len(self._idle)
        waiting = sum(not one.done() for one in self._waiting)
        return SessionCounts(idle, self._count - idle, self.limits.most, waiting)

    @asynccontextmanager
    async def session(self, patience: float) -> AsyncIterator[Session]:
        """A session for one use of at most `patience` seconds; then it is cut off. Raises `LedgerFault`."""
        session = await self._acquire()
        watch = asyncio.get_running_loop().call_later(patience, self._give_up, session)
        try:
            yield session
        except asyncio.CancelledError:
            session.abort()  # something of it may still run on the server
            raise
        finally:
            watch.cancel()
            self._put_back(session)

    async def close(self) -> None:
        """Close what is idle; those in use are closed when they come back."""
        self._closed = True
        while self._waiting:
            self._wake(None)
        idle, self._idle = list(self._idle), deque()
        self._count -= len(idle)
        await asyncio.gather(*(session.close() for session in idle))

    def abort(self) -> None:
        """As `close`, for a server that may not answer any more: nothing is waited for."""
        self._closed = True
        while self._waiting:
            self._wake(None)
        while self._idle:
            self._idle.pop().abort()
            self._count -= 1

    async def _acquire(self) -> Session:
        while not self._closed:
            self._drop_stale()
            if self._idle:
                return self._idle.pop()
            if self._may_grow():
                try:
                    return await self._make()
                except LedgerFault as error:
                    if error.facts.get("reason") != TOO_MANY_CONNECTIONS or not self._count:
                        raise
                    self._full_until = time.monotonic() + _WHILE_FULL
            elif (session := await self._wait()) is not None:
                return session
        raise LedgerFault(Text("账本未打开", "The ledger is not open"))

    def _may_grow(self) -> bool:
        """A server that has just refused one more is not asked again at once, as long as we have some."""
        return not self._count or (self._count < self.limits.most and time.monotonic() >= self._full_until)

    async def _make(self) -> Session:
        self._count += 1
        try:
            return await self.connect()
        except BaseException:
            self._gone()
            raise

    async def _wait(self) -> Session | None:
        waiting: asyncio.Future[Session | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and (session := waiting.result()) is not None:
                self._put_back(session)
            raise

    def _put_back(self, session: Session) -> None:
        if self._closed or session.broken or session.connection.is_in_transaction():
            session.abort()
            self._gone()
        elif not self._wake(session):
            session.idle_since = time.monotonic()
            self._idle.append(session)

    def _give_up(self, session: Session) -> None:
        """The way to the server may lead nowhere any more: then it does for those at rest too, and the next use shall not
        find that out one by one."""
        for each in (session, *self._idle):
            each.abort()

    def _gone(self) -> None:
        """A place is free: one that waits may make a session of its own."""
        self._count -= 1
        self._wake(None)

    def _wake(self, session: Session | None) -> bool:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(session)
                return True
        return False

    def _drop_stale(self) -> None:
        """Those that the server closed, and, from the longest idle on, those that nobody needed for long."""
        now = time.monotonic()
        kept: deque[Session] = deque()
        spare = self._count - self.limits.least
        for session in self._idle:
            if session.broken:
                self._count -= 1
            elif spare > 0 and now - session.idle_since > self._idle_seconds:
                session.abort()
                self._count -= 1
                spare -= 1
            else:
                kept.append(session)
        self._idle = kept
