"""Accounts as admins manage them: made, given a role, disabled, reset, unlocked. Nobody grants more than he has, and whoever
belongs to a tenant sees and manages that tenant's accounts only."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from kaipiao.access import names
from kaipiao.access.deeds import By, Deeds
from kaipiao.access.log_in import key_of_account
from kaipiao.access.password_rules import sound_password
from kaipiao.access.passwords import Passwords
from kaipiao.access.refused import AccountChanged, AccountTaken, AccountUnknown, MoreThanOwn, TenantUnknown
from kaipiao.access.sessions import Sessions
from kaipiao.access.tokens import ANY, ROLES, Caller
from kaipiao.clock import Clock
from kaipiao.errors import NotFound
from kaipiao.language import Text
from kaipiao.ledger.accounts import Account, AccountBooks
from kaipiao.settings import AccessSettings

TRIES = 5  # while others change the same account
FIRST_PASSWORD_SIZE = 15  # bytes of chance: 20 characters


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What an admin asks for. Without a password one is made up, which is told once."""

    account: str
    role: str
    tenant: str | None = None
    taxpayers: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    must_change: bool = True


class Accounts:
    """`tenants`: the taxpayers of each tenant; `taxpayers`: all of this installation. `clock` is real time."""

    def __init__(
        self,
        books: AccountBooks,
        passwords: Passwords,
        sessions: Sessions,
        settings: AccessSettings,
        deeds: Deeds,
        clock: Clock,
        taxpayers: tuple[str, ...],
        tenants: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._books, self._passwords, self._sessions = books, passwords, sessions
        self._settings, self._deeds, self._clock = settings, deeds, clock
        self._taxpayers, self._tenants = taxpayers, tenants

    async def tenants(self, caller: Caller) -> list[str]:
        """Those that this caller may see."""
        if _sees_all(caller):
            return sorted({*await self._books.tenants(), *self._tenants})
        return [] if caller.tenant is None else [caller.tenant]

    async def page(self, caller: Caller, tenant: str | None, after: str, limit: int) -> list[Account]:
        """By name, names > after. Another's tenant has no accounts."""
        if _sees_all(caller):
            return await self._books.accounts(tenant, after, limit)
        if caller.tenant is None or tenant not in (None, caller.tenant):
            return []
        found: list[Account] = []
        while True:
            seen = await self._books.accounts(caller.tenant, after, limit)
            found += [one for one in seen if self._covers(caller, one.tenant, one.taxpayers)]
            if len(found) >= limit or len(seen) < limit:
                return found[:limit]
            after = seen[-1].account

    async def find(self, caller: Caller, name: str) -> Account:
        """Raises `AccountUnknown`, also for one that is not this caller's to see."""
        found = await self._books.account(names.as_known(name))
        if found is None or not self._covers(caller, found.tenant, found.taxpayers):
            raise AccountUnknown
        return found

    async def locked(self, accounts: Sequence[Account]) -> dict[str, datetime]:
        """Which of them are locked after failures, and until when, by name."""
        names_of = {key_of_account(one.account): one.account for one in accounts}
        locks = await self._books.login_locks(list(names_of), self._clock.now())
        return {names_of[key]: until for key, until in locks.items()}

    async def make(self, caller: Caller, wanted: NewAccount, by: By) -> tuple[Account, str | None]:
        """The account, and its first password when that was made up here. Raises `AccountTaken`, `MoreThanOwn`,
        `TenantUnknown`, `NotFound`, `PasswordRefused`, `FieldsRefused`."""
        tenant = wanted.tenant if wanted.tenant is not None or _sees_all(caller) else caller.tenant
        await self._require_scope(caller, tenant, wanted.taxpayers)
        _require_role(caller, wanted.role)
        name = names.new_name(wanted.account, tenant)
        hashed, first = await self._password(wanted.password, name)
        now = self._clock.now()
        must = wanted.must_change or first is not None
        taxpayers = tuple(dict.fromkeys(wanted.taxpayers))
        account = Account(name, tenant, taxpayers, wanted.role, hashed, now, now, must)
        event = self._deeds.to(account, "account_made", by, role=account.role)
        if not await self._books.save_account(account, [event]):
            raise AccountTaken
        self._sessions.look_again()
        return account, first

    async def set_role(self, caller: Caller, name: str, role: str, by: By) -> Account:
        _require_role(caller, role)
        return await self._change(
            caller, name, "role_changed", by, lambda one: replace(one, role=role, epoch=one.epoch + 1), role=role
        )

    async def disable(self, caller: Caller, name: str, by: By) -> Account:
        return await self._change(
            caller, name, "account_disabled", by, lambda one: replace(one, disabled=True, epoch=one.epoch + 1)
        )

    async def enable(self, caller: Caller, name: str, by: By) -> Account:
        return await self._change(caller, name, "account_enabled", by, lambda one: replace(one, disabled=False))

    async def reset_codes(self, caller: Caller, name: str, by: By) -> Account:
        """One-time codes are off, and every session is over."""
        return await self._change(
            caller,
            name,
            "totp_reset",
            by,
            lambda one: replace(one, totp=None, totp_confirmed=False, recovery=(), epoch=one.epoch + 1),
        )

    async def reset_password(
        self, caller: Caller, name: str, password: str | None, by: By
    ) -> tuple[Account, str | None]:
        """As `make`: the account, and the password that was made up. It must be changed at the next log-in."""
        held = await self.find(caller, name)
        hashed, first = await self._password(password, held.account)
        now = self._clock.now()

        def with_password(one: Account) -> Account:
            return replace(one, password=hashed, changed_at=now, must_change=True, epoch=one.epoch + 1)

        return await self._change(caller, name, "password_reset", by, with_password), first

    async def unlock(self, caller: Caller, name: str, by: By) -> Account:
        held = await self.find(caller, name)
        event = self._deeds.to(held, "unlocked", by)
        await self._books.pass_login([], [key_of_account(held.account)], [event])
        return held

    async def _change(
        self,
        caller: Caller,
        name: str,
        kind: str,
        by: By,
        change: Callable[[Account], Account],
        **data: str,
    ) -> Account:
        """Looked up anew each time somebody else was quicker. Raises `AccountUnknown`, `MoreThanOwn`, `AccountChanged`."""
        for _ in range(TRIES):
            held = await self.find(caller, name)
            _require_role(caller, held.role)
            fresh = replace(change(held), version=held.version + 1)
            if await self._books.save_account(fresh, [self._deeds.to(fresh, kind, by, **data)]):
                self._sessions.look_again()
                return fresh
        raise AccountChanged

    async def _password(self, given: str | None, name: str) -> tuple[str, str | None]:
        """The hash of the given password, or of one that is made up here, which is told beside it."""
        first = secrets.token_urlsafe(FIRST_PASSWORD_SIZE) if given is None else None
        secret = sound_password(given or first or "", name, self._settings.password_length)
        async with self._passwords.place():
            return await self._passwords.hash(secret), first

    async def _require_scope(self, caller: Caller, tenant: str | None, taxpayers: tuple[str, ...]) -> None:
        if tenant is not None and tenant not in await self.tenants(caller):
            raise TenantUnknown
        mine = self._tenants.get(tenant, ()) if tenant is not None else self._taxpayers
        if not set(taxpayers) <= {one for one in mine if caller.may_act_for(one)}:
            raise NotFound(Text("没有这个纳税人", "There is no such taxpayer"), code="KP-FIND-02")
        if not self._covers(caller, tenant, taxpayers):
            raise MoreThanOwn

    def _covers(self, caller: Caller, tenant: str | None, taxpayers: tuple[str, ...]) -> bool:
        """Does this caller's reach hold all of that, now and when the tenant has further taxpayers?"""
        if _sees_all(caller):
            return True
        if caller.tenant is None or tenant != caller.tenant:
            return False
        return caller.whole_tenant or (bool(taxpayers) and set(taxpayers) <= set(caller.taxpayers))


def _sees_all(caller: Caller) -> bool:
    return caller.tenant is None and ANY in caller.taxpayers


def _require_role(caller: Caller, role: str) -> None:
    if not ROLES[role] <= caller.permissions:
        raise MoreThanOwn
