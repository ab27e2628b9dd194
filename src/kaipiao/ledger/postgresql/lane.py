"""A lane: one chain of events, one commit at a time, and the ledger's only retries.

A chain is serial: what comes next is chained to what was committed before. So a node that shall have several commits under
way has several lanes, each a writer of its own in the trail, each on whatever connection is free. The tip is kept in
memory and is a condition of every commit: when a commit whose fate was unknown arrives late, either it comes first and
the next one notices, or it finds the chain grown and stores nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kaipiao.errors import KaipiaoError, OutcomeUnknown
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.commit import transacted
from kaipiao.ledger.postgresql.faults import SERIALISATION, UNIQUE_VIOLATION, code_of, fault_of, is_broken_way
from kaipiao.ledger.postgresql.partitions import Months, MonthsMissing
from kaipiao.ledger.postgresql.pool import Pool
from kaipiao.ledger.postgresql.session import Session
from kaipiao.ledger.postgresql.transaction import TipMoved, Transaction
from kaipiao.ledger.trail import NO_HASH, ChainTip

T = TypeVar("T")
ATTEMPTS = 12
_TWINS = 3  # attempts when a key is there already: somebody else's commit, or a defect that no attempt cures
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.25  # seconds


class Lane:
    """`silence`: seconds after which a server that says nothing is given up (the connection, not the commit)."""

    def __init__(self, writer: str, pool: Pool, months: Months, silence: float) -> None:
        self.writer = writer
        self.months = months
        self._pool = pool
        self._silence = silence
        self._tip: ChainTip | None = None

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """An operation in a transaction of its own. Raises `KaipiaoError`s only."""

        async def once(session: Session, tip: ChainTip) -> tuple[T, ChainTip]:
            return await transacted(session, tip, self.months, work)

        return await self.attempt(once)

    async def attempt(self, once: Callable[[Session, ChainTip], Awaitable[tuple[T, ChainTip]]]) -> T:
        """Try `once` until it is committed, refused or in doubt. It gives its result and the new tip."""
        for number in range(1, ATTEMPTS + 1):
            try:
                return await self._once(once)
            except KaipiaoError as error:
                if isinstance(error, OutcomeUnknown):
                    self._tip = None
                raise
            except Exception as error:  # every kind: it belongs to the one who asked, and the lane must live
                self._tip = None
                if number == ATTEMPTS or not _may_succeed(error, number):
                    raise fault_of(error) from error
            await asyncio.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**number) * random.random())  # noqa: S311
        raise AssertionError("unreachable")

    async def _once(self, once: Callable[[Session, ChainTip], Awaitable[tuple[T, ChainTip]]]) -> T:
        async with self._pool.session(self._silence) as session:
            try:
                tip = self._tip or await self._read_tip(session)
                result, self._tip = await once(session, tip)
            except MonthsMissing as error:
                await self.months.ensure(session, error.months)
                raise
            return result

    async def _read_tip(self, session: Session) -> ChainTip:
        await session.connection.execute(sql.BEGIN_CHAIN, self.writer, NO_HASH)
        found = await session.connection.fetchrow(sql.TIP, self.writer)
        return ChainTip(self.writer, *found)


def _may_succeed(error: Exception, number: int) -> bool:
    """Whether the same again is safe (surely nothing was stored) and of use."""
    code = code_of(error)
    if code == UNIQUE_VIOLATION:
        return number < _TWINS
    return isinstance(error, TipMoved | MonthsMissing) or code in SERIALISATION or is_broken_way(error)
