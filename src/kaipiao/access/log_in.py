"""Signing in. Every attempt is counted in the ledger before it is judged, against the name and against the source.

Whoever fails learns nothing: an account that is not there, is disabled, or lacks its one-time code is refused in the same
words and after the same work as a wrong password.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from kaipiao.access import codes, names
from kaipiao.access.deeds import Deeds
from kaipiao.access.password_rules import as_hashed
from kaipiao.access.passwords import Passwords
from kaipiao.access.refused import CodeRefused, LockedOut, LogInRefused
from kaipiao.access.strongbox import Strongbox
from kaipiao.access.tokens import ANY, Tokens
from kaipiao.clock import Clock, seconds_up
from kaipiao.ledger.accounts import Account, AccountBooks, LoginLimit, LoginTry
from kaipiao.settings import AccessSettings

BUSY_PAUSE, BUSY_TRIES = 0.2, 25  # seconds, and how often: others of the same source are being judged
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`must`: what has to be set before the session is good for more: "password", "totp"."""

    token: str = field(repr=False)
    account: Account
    expires: datetime
    must: tuple[str, ...]


class LogIn:
    """`clock` is real time."""

    def __init__(
        self,
        books: AccountBooks,
        passwords: Passwords,
        strongbox: Strongbox,
        tokens: Tokens,
        settings: AccessSettings,
        deeds: Deeds,
        clock: Clock,
    ) -> None:
        self._books, self._passwords, self._strongbox = books, passwords, strongbox
        self._tokens, self._settings, self._deeds, self._clock = tokens, settings, deeds, clock
        self._limit = LoginLimit(settings.lockout_failures, settings.lockout_seconds)

    async def __call__(self, name: str, password: str, code: str | None, source: str) -> SignedIn:
        """Raises `LogInRefused`, `LockedOut`, `TooManyRequests`, and `PasswordRefused` for what no password can be."""
        known, secret = names.as_known(name), as_hashed(password)
        async with self._counted(known, source) as tries:
            account = await self._judged(await self._books.account(known), secret, code)
            if account is None:
                raise LogInRefused
            event = self._deeds.by_itself(account, "login", source)
            await self._books.pass_login(tries[1:], [tries[0].key], [event])
        return self._signed_in(await self._hashed_anew(account, secret))

    async def confirm(self, account: Account, password: str, source: str) -> None:
        """Somebody who is signed in shows that he knows his password: judged and counted like a log-in."""
        secret = as_hashed(password)
        async with self._counted(account.account, source) as tries:
            if not await self._passwords.matches(account.password, secret):
                raise LogInRefused
            await self._books.pass_login(tries[1:], [tries[0].key], [])

    @asynccontextmanager
    async def first_code(self, account: Account, source: str) -> AsyncIterator[None]:
        """Somebody shows a first code: counted like a log-in, or an open session could try out all there are. `CodeRefused`
        makes it a failure. Raises `LockedOut`, `TooManyRequests`."""
        async with self._counted(account.account, source) as tries:
            yield
            await self._books.pass_login(tries, [], [])

    @asynccontextmanager
    async def _counted(self, name: str, source: str) -> AsyncIterator[list[LoginTry]]:
        """A place for this attempt: against the name, then the source. `LogInRefused` and `CodeRefused` make it a failure;
        anything else that is raised gives the place back."""
        by_name = LoginTry(key_of_account(name), secrets.token_hex(8))
        tries = [by_name, LoginTry(key_of_source(source), names.digest(name)[:16])]
        async with self._passwords.place():
            await self._begin(tries)
            try:
                yield tries
            except (LogInRefused, CodeRefused):
                await self._fail(tries, name, source)
                raise
            except BaseException:
                await asyncio.shield(self._books.pass_login(tries, [], []))
                raise

    async def _begin(self, tries: list[LoginTry]) -> None:
        now = self._clock.now()
        locks = await self._books.login_locks([one.key for one in tries], now)
        if locks:
            raise LockedOut(retry_after=seconds_up((max(locks.values()) - now).total_seconds()))
        wait = await self._books.begin_login(tries, self._limit, now)
        for _ in range(BUSY_TRIES):
            if wait is None or wait.locked:
                break
            await asyncio.sleep(BUSY_PAUSE)
            wait = await self._books.begin_login(tries, self._limit, self._clock.now())
        if wait is not None:
            raise LockedOut(retry_after=seconds_up(wait.seconds))

    async def _fail(self, tries: list[LoginTry], name: str, source: str) -> None:
        account = await self._books.account(name)
        told = [self._deeds.locked(account, source), self._deeds.source_locked(source)]
        failed = [replace(one, on_lock=event) for one, event in zip(tries, told, strict=True)]
        refused = self._deeds.refused(account, source)
        await self._books.fail_login(failed, self._limit, self._clock.now(), [refused])

    async def _judged(self, account: Account | None, secret: bytes, code: str | None) -> Account | None:
        """The account as it is now that its code, if it needs one, was used; None: refused."""
        good = await self._passwords.matches(account.password if account else None, secret)
        if account is None or not good or account.disabled:
            return None
        return await self._with_code(account, code) if account.totp_confirmed else account

    async def _with_code(self, account: Account, code: str | None) -> Account | None:
        """Each code is good once, whichever node it comes to: the change of the account holds only once."""
        if account.totp is None or not code:
            return None
        secret = self._strongbox.open(account.account, account.totp)
        step = codes.step_of(secret, code, self._clock.now().timestamp(), account.totp_step)
        if step is not None:
            used = replace(account, totp_step=step, version=account.version + 1)
        elif (left := codes.without(account.recovery, code)) is not None:
            used = replace(account, recovery=left, version=account.version + 1)
        else:
            return None
        return used if await self._books.save_account(used, []) else None

    async def _hashed_anew(self, account: Account, secret: bytes) -> Account:
        """With the parameters of now. When somebody else changes the account at the same moment: another time."""
        if not self._passwords.outdated(account.password):
            return account
        hashed = await self._passwords.hash(secret)
        again = replace(account, password=hashed, version=account.version + 1)
        return again if await self._books.save_account(again, []) else account

    def _signed_in(self, account: Account) -> SignedIn:
        must = tuple(self._must(account))
        made = self._tokens.make_session(
            account.account,
            account.role,
            account.taxpayers if account.tenant or account.taxpayers else (ANY,),
            timedelta(hours=self._settings.session_hours),
            tenant=account.tenant,
            epoch=account.epoch,
            limited=bool(must),
        )
        return SignedIn(made.token, account, made.expires, must)

    def _must(self, account: Account) -> list[str]:
        needs_codes = account.role == ADMIN and self._settings.admin_totp and not account.totp_confirmed
        return ["password"] * account.must_change + ["totp"] * needs_codes


def key_of_account(name: str) -> str:
    return f"account:{names.digest(name)}"


def key_of_source(source: str) -> str:
    return f"source:{source}"
