"""Accounts in PostgreSQL: what one node decides holds on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kaipiao.ledger import login_counts
from kaipiao.ledger.account_rows import account_of, account_row
from kaipiao.ledger.accounts import Account, LoginLimit, LoginTry, LoginWait, SessionMarks
from kaipiao.ledger.login_counts import SECOND, LoginCount, count_of
from kaipiao.ledger.port import EventDraft
from kaipiao.ledger.postgresql import account_statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.texts import original, stored
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.trail import instant_of, microseconds


class Accounts(Handle):
    """The operations of `AccountBooks`."""

    async def save_tenants(self, tenants: Sequence[str], at: datetime) -> None:
        names = sorted({stored(tenant) for tenant in tenants})
        await self._write(lambda transaction: transaction.execute(sql.SAVE_TENANTS, names, microseconds(at)))

    async def tenants(self) -> list[str]:
        return sorted(original(tenant) for (tenant,) in await self._fetch(sql.TENANTS))

    async def account(self, account: str) -> Account | None:
        found = await self._fetch(sql.ACCOUNT, stored(account))
        return _account(found[0]) if found else None

    async def accounts(self, tenant: str | None, after: str, limit: int) -> list[Account]:
        if tenant is None:
            return [_account(row) for row in await self._fetch(sql.ACCOUNTS, stored(after), limit)]
        found = await self._fetch(sql.ACCOUNTS_OF_TENANT, stored(after), limit, stored(tenant))
        return [_account(row) for row in found]

    async def save_account(self, account: Account, events: Sequence[EventDraft]) -> bool:
        row = tuple(stored(value) if isinstance(value, str) else value for value in account_row(account))

        async def save(transaction: Transaction) -> bool:
            held = await transaction.row(sql.STANDING, stored(account.account))
            if (held["version"] if held else 0) != account.version - 1:
                return False
            if not await transaction.execute(sql.CHANGE_ACCOUNT if held else sql.MAKE_ACCOUNT, *row):
                return False
            if held is None or held["epoch"] != account.epoch:
                await transaction.execute(sql.REVISE)
            _append(transaction, events)
            return True

        return await self._write(save)

    async def end_session(self, jti: str, until: datetime, now: datetime, events: Sequence[EventDraft]) -> None:
        async def end(transaction: Transaction) -> None:
            await transaction.execute(sql.FORGET_SESSIONS, microseconds(now))
            if await transaction.execute(sql.END_SESSION, jti, microseconds(until)):
                await transaction.execute(sql.REVISE)
                _append(transaction, events)

        await self._write(end)

    async def session_marks(self, known: int | None) -> SessionMarks | None:
        """The revision first: what is read after it may be newer, and is then read again."""
        found = await self._fetch(sql.REVISION)
        revision = int(found[0][0]) if found else 0
        if revision == known:
            return None
        epochs = {original(account): epoch for account, epoch in await self._fetch(sql.EPOCHS)}
        return SessionMarks(revision, epochs, frozenset(jti for (jti,) in await self._fetch(sql.ENDED)))

    async def login_locks(self, keys: Sequence[str], now: datetime) -> dict[str, datetime]:
        found = await self._fetch(sql.LOGIN_LOCKS, list(keys), microseconds(now))
        return {key: instant_of(until) for key, until in found}

    async def begin_login(self, tries: Sequence[LoginTry], limit: LoginLimit, now: datetime) -> LoginWait | None:
        async def begin(transaction: Transaction) -> LoginWait | None:
            await transaction.execute(sql.FORGET_STALE_LOGINS, microseconds(now))
            stale_at = microseconds(now) + int(limit.seconds * SECOND)
            counts = await _counts(transaction, tries, stale_at)
            waits = [login_counts.wait_for(counts[one.key], one.mark, limit, now) for one in tries]
            if found := [wait for wait in waits if wait is not None]:
                return max(found, key=lambda wait: wait.seconds)
            for one in tries:
                await _save(transaction, one.key, login_counts.begun(counts[one.key], one.mark, limit, now), limit)
            return None

        return await self._write(begin)

    async def fail_login(
        self, tries: Sequence[LoginTry], limit: LoginLimit, now: datetime, events: Sequence[EventDraft]
    ) -> None:
        async def fail(transaction: Transaction) -> None:
            _append(transaction, events)
            counts = await _counts(transaction, tries, 0)
            for one in tries:
                count = login_counts.failed(counts[one.key], one.mark, limit, now)
                await _save(transaction, one.key, count, limit)
                if one.on_lock is not None and count.locked_until > microseconds(now):
                    transaction.append(one.on_lock)

        await self._write(fail)

    async def pass_login(self, tries: Sequence[LoginTry], clear: Sequence[str], events: Sequence[EventDraft]) -> None:
        async def give_back(transaction: Transaction) -> None:
            keys = sorted(one.key for one in tries)
            marks = {one.key: one.mark for one in tries}
            for name, text, locked_until, stale_at in await transaction.rows(sql.LOGIN_COUNTS, keys, 0):
                count = login_counts.passed(count_of(text, locked_until), marks[name])
                await transaction.execute(sql.SAVE_LOGIN, name, count.text(), locked_until, stale_at)
            await transaction.execute(sql.FORGET_LOGINS, sorted(clear))
            _append(transaction, events)

        await self._write(give_back)


async def _counts(transaction: Transaction, tries: Sequence[LoginTry], stale_at: int) -> dict[str, LoginCount]:
    found = await transaction.rows(sql.LOGIN_COUNTS, sorted({one.key for one in tries}), stale_at)
    return {name: count_of(text, locked_until) for name, text, locked_until, _ in found}


async def _save(transaction: Transaction, key: str, count: LoginCount, limit: LoginLimit) -> None:
    await transaction.execute(sql.SAVE_LOGIN, key, count.text(), count.locked_until, count.stale_at(limit))


def _account(row: Any) -> Account:
    return account_of(tuple(original(value) if isinstance(value, str) else value for value in row))


def _append(transaction: Transaction, events: Sequence[EventDraft]) -> None:
    for event in events:
        transaction.append(event)
