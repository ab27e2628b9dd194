"""What every part of a PostgreSQL ledger has at hand: a way to write and a way to read."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

from kaipiao.errors import KaipiaoError, LedgerFault
from kaipiao.language import Text
from kaipiao.ledger.ids import run_name
from kaipiao.ledger.pooling import SessionCounts
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult
from kaipiao.ledger.postgresql import statistics
from kaipiao.ledger.postgresql.faults import DATABASE_ERRORS, fault_of, is_broken_way
from kaipiao.ledger.postgresql.group import admit_group
from kaipiao.ledger.postgresql.lane import Lane
from kaipiao.ledger.postgresql.lanes import LANES, Lanes, Waiting
from kaipiao.ledger.postgresql.limits import LimitWarning, PoolLimits, fitted
from kaipiao.ledger.postgresql.migrations import PRODUCT, migrate
from kaipiao.ledger.postgresql.moves import add_up
from kaipiao.ledger.postgresql.partitions import Months
from kaipiao.ledger.postgresql.patience import ConnectPatience
from kaipiao.ledger.postgresql.pool import Pool
from kaipiao.ledger.postgresql.session import Session
from kaipiao.ledger.postgresql.transaction import Transaction

log = logging.getLogger(__name__)
T = TypeVar("T")


class Handle:
    """Opens and closes the connections; runs work on the lanes and reads on whatever connection is free."""

    def __init__(
        self,
        url: str,
        writer: str | None = None,
        *,
        pool_min: int = 256,
        pool_max: int = 2048,
        idle_s: float = 120.0,
        connect_timeout_s: float = 30.0,
        timeout_factor: float = 1.2,
        silence_s: float = 60.0,
        read_s: float = 20.0,
        lease_clock: Callable[[], float] | None = None,
        on_commit: Callable[[int, float], None] | None = None,
    ) -> None:
        """`url`: postgresql://user@host:port/database. `writer` names this run in the trail; each start takes a new one
        unless it is given. The limits are `db.*` of the settings (P22–P26). `silence_s`: a server that says nothing for
        so long is given up; a reading statement after `read_s`, and then tried once more on a new connection. `lease_clock` gives seconds in simulations; else leases go by the database's clock. `on_commit` is told
        of every group of admissions: how many, and the seconds of its commit."""
        self.writer = writer or run_name()
        self.warnings: list[LimitWarning] = []  # what works, but not as it was asked for; after `open`
        self._wanted = PoolLimits(pool_min, pool_max)
        self._silence = silence_s
        self._read_seconds = read_s
        self._lease_clock = lease_clock
        self._on_commit = on_commit
        self._url = url
        self._idle_seconds = idle_s
        self._patience = ConnectPatience(connect_timeout_s, timeout_factor)
        self._pool: Pool | None = None
        self._lanes: Lanes | None = None
        self._months = Months()
        self._making: asyncio.Task[None] | None = None  # partitions ahead of time
        self._side: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect, check, migrate. Raises `LedgerFault`."""
        if self._pool is not None:
            raise LedgerFault(Text("账本已打开", "The ledger is open already"))
        pool = Pool(self._url, f"{PRODUCT} {self.writer}", self._wanted, self._idle_seconds, self._patience)
        first = await pool.connect()
        try:
            pool.limits, self.warnings = fitted(self._wanted, first.room, LANES)
            self.warnings = [*first.warnings, *self.warnings]
            self._months = Months()
            applied = await migrate(first)
            await self._months.ensure_ahead(first)
            await add_up(first)
            if applied:
                await statistics.gather(first)
        except DATABASE_ERRORS as error:
            first.abort()
            raise fault_of(error) from error
        except BaseException:
            first.abort()
            raise
        for warning in self.warnings:
            log.warning("%s", warning.text.en)
        await pool.fill(first)
        self._pool, self._statistics = pool, statistics.Statistics()
        writers = [self.writer, *(f"{self.writer}/{place}" for place in range(2, LANES + 1))]
        self._lanes = Lanes([Lane(writer, pool, self._months, self._silence) for writer in writers], self._admit_group)

    async def close(self) -> None:
        """Everything that was asked for before is committed; then the connections are closed."""
        lanes, pool = self._lanes, self._pool
        self._lanes = None
        if lanes is not None:
            await lanes.close()
        self._pool = None
        if self._side:
            await asyncio.wait(set(self._side))
        if pool is not None:
            await pool.close()

    def sessions(self) -> SessionCounts:
        """How the connections of this node are used now."""
        return SessionCounts(0, 0, 0, 0) if self._pool is None else self._pool.counts()

    async def _write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run an operation in a transaction of its own. It may be run again when it surely was not committed."""
        if self._lanes is None:
            raise _closed()
        return cast(T, await self._lanes.submit(work))

    async def _admit(self, admissions: Sequence[Admission]) -> list[AdmitResult]:
        if self._lanes is None:
            raise _closed()
        return cast(list[AdmitResult], await self._lanes.submit_admissions(admissions))

    async def _fetch(self, statement: str, *parameters: object) -> list[Any]:
        """The rows of a reading statement, on the primary. A connection that is lost, or says nothing for `read_s`, is
        given up, and it is tried once more: reading is safe."""
        try:
            return await self._fetch_within(self._read_seconds, statement, *parameters)
        except DATABASE_ERRORS as error:
            if not is_broken_way(error):
                raise fault_of(error) from error
        try:
            return await self._fetch_within(self._read_seconds, statement, *parameters)
        except DATABASE_ERRORS as error:
            raise fault_of(error) from error

    async def _fetch_within(self, seconds: float, statement: str, *parameters: object) -> list[Any]:
        """Raises database errors."""
        if self._pool is None:
            raise _closed()
        async with self._pool.session(seconds) as session:
            found: list[Any] = await session.connection.fetch(statement, *parameters)
            return found

    async def _admit_group(self, lane: Lane, group: Sequence[Waiting]) -> None:
        began = time.perf_counter()
        results = await admit_group(lane, group)
        if self._on_commit is not None:
            self._on_commit(len(group), time.perf_counter() - began)
        admitted = sum(result.outcome is AdmitOutcome.ADMITTED for result in results)
        if self._statistics.due_after(admitted):
            self._beside("ANALYZE", statistics.gather)
        months = self._months
        ahead = months.ahead({item.month for waiting in group for item in waiting.items}) if admitted else set()
        if ahead and (self._making is None or self._making.done()):
            self._making = self._beside("partitions of the next month", lambda session: months.ensure(session, ahead))

    def _beside(self, what: str, work: Callable[[Session], Awaitable[None]]) -> asyncio.Task[None]:
        """Beside the issuing. When it cannot be done now it is done later: statistics by the server's own autovacuum,
        partitions with the next group, or at the latest by the first that needs them."""

        async def run() -> None:
            if self._pool is None:
                return
            try:
                async with self._pool.session(statistics.PATIENCE) as session:
                    await work(session)
            except (*DATABASE_ERRORS, KaipiaoError) as error:
                log.warning("%s failed: %s", what, type(error).__name__)

        task = asyncio.get_running_loop().create_task(run())
        self._side.add(task)
        task.add_done_callback(self._side.discard)
        return task

    def _lease_now(self) -> float | None:
        """Seconds of a simulation's clock; None: the database's own."""
        return None if self._lease_clock is None else self._lease_clock()


def _closed() -> LedgerFault:
    return LedgerFault(Text("账本未打开", "The ledger is not open"))
