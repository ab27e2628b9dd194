"""Partitions by month, made before they are needed: what only grows can be moved away month by month."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kaipiao.clock import SHANGHAI, month_of
from kaipiao.ledger.changes import defect
from kaipiao.ledger.postgresql.session import Session
from kaipiao.ledger.trail import instant_of, microseconds

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_BY_MONTH = ("document", "quota_entry")  # by their column `month`
_BY_INSTANT = "event"  # by its column `at`
_LOCK = "SELECT id FROM migration_lock WHERE id = 1 FOR UPDATE"
_NEXT_TO_LAST, _LAST = "9999-11", "9999-12"


class MonthsMissing(Exception):
    """An operation writes into months that have no partitions yet. Nothing was stored; they are made, then it can be tried
    again."""

    def __init__(self, months: set[str]) -> None:
        super().__init__(months)
        self.months = months


class Months:
    """The months that have their partitions, as far as this node knows."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def missing(self, months: Iterable[str], instants: Iterable[int] = ()) -> set[str]:
        """Those of these months, and of the months of these instants (microseconds), that are not known yet."""
        return {*months, *(month_of(instant_of(at)) for at in set(instants))} - self._known

    def ahead(self, months: Iterable[str]) -> set[str]:
        """The months after these that are not known yet."""
        return {_next(month) for month in months if month < _NEXT_TO_LAST} - self._known

    async def ensure(self, session: Session, months: Iterable[str]) -> None:
        """Make what is missing. Outside of a transaction."""
        for month in sorted(set(months) - self._known):
            await _make(session.connection, month)
            self._known.add(month)

    async def ensure_ahead(self, session: Session) -> None:
        """This month's and the next one's, by the database's clock."""
        now: datetime = await session.connection.fetchval("SELECT now()")
        this = month_of(now)
        await self.ensure(session, [this, _next(this)])


def _next(month: str) -> str:
    found = _MONTH.fullmatch(month)
    if found is None:
        raise defect("月份格式不合法", "A month is not written yyyy-MM")
    year, number = int(found[1]), int(found[2])
    return f"{year + 1:04d}-01" if number == 12 else f"{year:04d}-{number + 1:02d}"


def _begin(month: str) -> int:
    """Microseconds since 1970 of the month's first instant in Asia/Shanghai."""
    return microseconds(datetime(int(month[:4]), int(month[5:]), 1, tzinfo=SHANGHAI))


async def _make(connection: Any, month: str) -> None:
    """A table is made by itself and attached then, which holds no writer up. The names are made of digits only."""
    after = _next(month)
    if month == _LAST or month < "0001-02":
        raise defect("月份超出范围", "A month is out of range")
    suffix = month.replace("-", "_")
    bounds = dict.fromkeys(_BY_MONTH, f"FROM ('{month}') TO ('{after}')")
    bounds[_BY_INSTANT] = f"FROM ({_begin(month)}) TO ({_begin(after)})"
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '30s'")
        await connection.fetch(_LOCK)
        for table, values in bounds.items():
            name = f"{table}_{suffix}"
            if await connection.fetchval("SELECT to_regclass($1)", name) is None:
                await connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
                await connection.execute(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {values}")
