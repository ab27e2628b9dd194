"""A hot standby of the primary, to read lists from. Whether it is read is decided elsewhere; here it is looked at and asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from kaipiao.errors import LedgerFault, ReplicaBehind
from kaipiao.language import Text
from kaipiao.ledger.lists import Seen
from kaipiao.ledger.postgresql.faults import DATABASE_ERRORS, fault_of, is_broken_way
from kaipiao.ledger.postgresql.limits import PoolLimits
from kaipiao.ledger.postgresql.listing import Listing
from kaipiao.ledger.postgresql.patience import ConnectPatience
from kaipiao.ledger.postgresql.pool import Pool
from kaipiao.ledger.postgresql.session import Session
from kaipiao.ledger.postgresql.standby import WHERE, Place, StandbyCheck, other_timeline, promoted

_GLANCE = 0.005  # seconds between two looks at a standby that is behind
_PATIENCE = 1.0  # seconds that it may take to connect, and to say where it is


class Replica(Listing):
    """Has no connection until the first `look`, and none after the way was lost, until the next: so nothing is read over a
    way that was not looked at."""

    def __init__(
        self,
        url: str,
        primary: Callable[[], Awaitable[Place]],
        name: str,
        *,
        pool_max: int = 16,
        idle_s: float = 120.0,
        read_s: float = 20.0,
    ) -> None:
        """`primary`: asks where its log ends. `name` is shown in pg_stat_activity; the rest as of the primary's pool."""
        self.seen: Seen | None = None
        self._url = url
        self._primary = primary
        self._name = name
        self._limits = PoolLimits(1, pool_max)
        self._idle_seconds = idle_s
        self._read_seconds = read_s
        self._pool: Pool | None = None
        self._scout: Session | None = None  # looks; the others are the readers'
        self._reading: set[Session] = set()

    async def look(self, patience: float) -> Seen:
        """As `lists.Copy`. By no other clock than ours: the time from what the primary had until the standby has it."""
        asked = time.monotonic()
        there = await self._primary()
        answered = time.monotonic()
        try:
            async with asyncio.timeout(3 * _PATIENCE + patience):
                await self._come_to(there, patience)
        except ReplicaBehind:
            self.seen = None
            raise
        except (*DATABASE_ERRORS, LedgerFault, TimeoutError) as error:
            self._drop(self._pool)
            raise _fault(error) from error
        self.seen = Seen(asked, time.monotonic() - answered)
        return self.seen

    async def close(self) -> None:
        pool = self._pool
        self._drop(pool)
        if pool is not None:
            await pool.close()

    async def _come_to(self, there: Place, patience: float) -> None:
        """Wait until it has replayed the log up to there. Raises `ReplicaBehind`, and what is the matter with it."""
        scout = self._scout or await self._connect(there)
        began = time.monotonic()
        while True:
            here = await scout.connection.fetchrow(WHERE)
            if not here["recovering"]:
                raise promoted()
            if here["timeline"] != there.timeline:
                raise other_timeline()
            if self._scout is not scout:
                raise LedgerFault(Text("副本的连接断了", "The connection to the replica was lost"), reason="lost")
            if here["place"] >= there.log:
                return
            waited = time.monotonic() - began
            if waited >= patience:
                raise ReplicaBehind(lag_ms=round(1000 * max(here["age"] or 0.0, waited)))
            await asyncio.sleep(_GLANCE)

    async def _connect(self, primary: Place) -> Session:
        check = StandbyCheck(primary)
        pool = Pool(self._url, self._name, self._limits, self._idle_seconds, ConnectPatience(_PATIENCE, 1.0), check)
        scout = await pool.connect()
        self._pool, self._scout = pool, scout
        await pool.fill(await pool.connect())
        return scout

    async def _fetch(self, statement: str, *parameters: object) -> list[Any]:
        """Once, over the connections that were looked at. Raises `LedgerFault`: then the primary is asked."""
        pool = self._pool
        if pool is None:
            raise LedgerFault(Text("副本没有连接", "There is no connection to the replica"), reason="lost")
        try:
            async with pool.session(self._read_seconds) as session:
                self._reading.add(session)
                try:
                    found: list[Any] = await session.connection.fetch(statement, *parameters)
                finally:
                    self._reading.discard(session)
        except LedgerFault:  # no further session of this run of the standby
            self._drop(pool)
            raise
        except DATABASE_ERRORS as error:
            if is_broken_way(error):
                self._drop(pool)
            raise fault_of(error) from error
        return found

    def _drop(self, pool: Pool | None) -> None:
        """Unless there are newer connections. Who reads hears of it at once, and asks the primary."""
        if pool is not self._pool:
            return
        scout, self.seen, self._pool, self._scout = self._scout, None, None, None
        if pool is not None:
            pool.abort()
        for session in (*self._reading, *([] if scout is None else [scout])):
            session.abort()


def _fault(error: Exception) -> LedgerFault:
    if isinstance(error, LedgerFault):
        return error
    if isinstance(error, TimeoutError):
        return LedgerFault(Text("副本没有应答", "The replica does not answer"), reason="time-out")
    found = fault_of(error)
    return found if isinstance(found, LedgerFault) else LedgerFault(found.detail, reason=type(error).__name__)
