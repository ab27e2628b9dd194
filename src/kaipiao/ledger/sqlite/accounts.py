"""Accounts in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kaipiao.ledger import login_counts
from kaipiao.ledger.account_rows import account_of, account_row
from kaipiao.ledger.accounts import Account, LoginLimit, LoginTry, LoginWait, SessionMarks
from kaipiao.ledger.login_counts import LoginCount, count_of
from kaipiao.ledger.port import Event, EventDraft
from kaipiao.ledger.rows import event_of
from kaipiao.ledger.sqlite import account_statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds


class Accounts(Handle):
    """The operations of `AccountBooks`."""

    async def save_tenants(self, tenants: Sequence[str], at: datetime) -> None:
        rows = [(tenant, microseconds(at)) for tenant in tenants]
        await self._write(lambda transaction: transaction.many(sql.SAVE_TENANT, rows))

    async def tenants(self) -> list[str]:
        return [tenant for (tenant,) in await self._read(lambda c: c.execute(sql.TENANTS).fetchall())]

    async def account(self, account: str) -> Account | None:
        row = await self._read(lambda c: c.execute(sql.ACCOUNT, (account,)).fetchone())
        return None if row is None else account_of(row)

    async def accounts(self, tenant: str | None, after: str, limit: int) -> list[Account]:
        statement = sql.ACCOUNTS if tenant is None else sql.ACCOUNTS_OF_TENANT
        parameters = (after, limit) if tenant is None else (after, tenant, limit)
        return [account_of(row) for row in await self._read(lambda c: c.execute(statement, parameters).fetchall())]

    async def save_account(self, account: Account, events: Sequence[EventDraft]) -> bool:
        def save(transaction: Transaction) -> bool:
            version, epoch = transaction.row(sql.STANDING, (account.account,)) or (0, None)
            if version != account.version - 1:
                return False
            transaction.execute(sql.SAVE_ACCOUNT, account_row(account))
            if epoch != account.epoch:
                transaction.execute(sql.REVISE)
            _append(transaction, events)
            return True

        return await self._write(save)

    async def end_session(self, jti: str, until: datetime, now: datetime, events: Sequence[EventDraft]) -> None:
        def end(transaction: Transaction) -> None:
            transaction.execute(sql.FORGET_SESSIONS, (microseconds(now),))
            if transaction.execute(sql.END_SESSION, (jti, microseconds(until))).rowcount:
                transaction.execute(sql.REVISE)
                _append(transaction, events)

        await self._write(end)

    async def session_marks(self, known: int | None) -> SessionMarks | None:
        return await self._read(lambda connection: _marks(connection, known))

    async def login_locks(self, keys: Sequence[str], now: datetime) -> dict[str, datetime]:
        instant = microseconds(now)
        found = await self._read(
            lambda c: [(key, c.execute(sql.LOGIN_LOCK, (key, instant)).fetchone()) for key in keys]
        )
        return {key: instant_of(row[0]) for key, row in found if row is not None}

    async def begin_login(self, tries: Sequence[LoginTry], limit: LoginLimit, now: datetime) -> LoginWait | None:
        def begin(transaction: Transaction) -> LoginWait | None:
            transaction.execute(sql.FORGET_STALE_LOGINS, (microseconds(now),))
            counts = [_count(transaction, one.key) for one in tries]
            waits = [login_counts.wait_for(c, one.mark, limit, now) for c, one in zip(counts, tries, strict=True)]
            if found := [wait for wait in waits if wait is not None]:
                return max(found, key=lambda wait: wait.seconds)
            for count, one in zip(counts, tries, strict=True):
                _save(transaction, one.key, login_counts.begun(count, one.mark, limit, now), limit)
            return None

        return await self._write(begin)

    async def fail_login(
        self, tries: Sequence[LoginTry], limit: LoginLimit, now: datetime, events: Sequence[EventDraft]
    ) -> None:
        def fail(transaction: Transaction) -> None:
            _append(transaction, events)
            for one in tries:
                count = login_counts.failed(_count(transaction, one.key), one.mark, limit, now)
                _save(transaction, one.key, count, limit)
                if one.on_lock is not None and count.locked_until > microseconds(now):
                    transaction.append(one.on_lock)

        await self._write(fail)

    async def pass_login(self, tries: Sequence[LoginTry], clear: Sequence[str], events: Sequence[EventDraft]) -> None:
        def give_back(transaction: Transaction) -> None:
            for one in tries:
                row: Any = transaction.row(sql.LOGIN_COUNT, (one.key,))
                if row is not None:
                    count = login_counts.passed(count_of(row[0], row[1]), one.mark)
                    transaction.execute(sql.SAVE_LOGIN, (one.key, count.text(), count.locked_until, row[2]))
            for key in clear:
                transaction.execute(sql.FORGET_LOGIN, (key,))
            _append(transaction, events)

        await self._write(give_back)

    async def platform_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        found = await self._read(lambda c: c.execute(sql.PLATFORM_EVENTS, (after, limit)).fetchall())
        return [event_of(row) for row in found]


def _marks(connection: sqlite3.Connection, known: int | None) -> SessionMarks | None:
    row = connection.execute(sql.REVISION).fetchone()
    revision = int(row[0]) if row else 0
    if revision == known:
        return None
    epochs = dict(connection.execute(sql.EPOCHS).fetchall())
    return SessionMarks(revision, epochs, frozenset(jti for (jti,) in connection.execute(sql.ENDED)))


def _count(transaction: Transaction, key: str) -> LoginCount:
    row: Any = transaction.row(sql.LOGIN_COUNT, (key,))
    return LoginCount() if row is None else count_of(row[0], row[1])


def _save(transaction: Transaction, key: str, count: LoginCount, limit: LoginLimit) -> None:
    transaction.execute(sql.SAVE_LOGIN, (key, count.text(), count.locked_until, count.stale_at(limit)))


def _append(transaction: Transaction, events: Sequence[EventDraft]) -> None:
    for event in events:
        transaction.append(event)
