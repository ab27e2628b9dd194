"""Accounts in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kaipiao.ledger import login_counts
from kaipiao.ledger.accounts import Account, LoginLimit, LoginTry, LoginWait, SessionMarks
from kaipiao.ledger.login_counts import LoginCount
from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import prepared
from kaipiao.ledger.port import Event, EventDraft
from kaipiao.ledger.trail import instant_of, microseconds


class Accounts(Handle):
    """The operations of `AccountBooks`."""

    async def save_tenants(self, tenants: Sequence[str], at: datetime) -> None:
        self.store.people.tenants.update(tenants)

    async def tenants(self) -> list[str]:
        return sorted(self.store.people.tenants)

    async def account(self, account: str) -> Account | None:
        return self.store.people.accounts.get(account)

    async def accounts(self, tenant: str | None, after: str, limit: int) -> list[Account]:
        held = self.store.people.accounts
        names = sorted(name for name, one in held.items() if name > after and tenant in (None, one.tenant))
        return [held[name] for name in names[:limit]]

    async def save_account(self, account: Account, events: Sequence[EventDraft]) -> bool:
        people = self.store.people
        held = people.accounts.get(account.account)
        if (held.version if held else 0) != account.version - 1:
            return False
        drafts = prepared(list(events))
        people.accounts[account.account] = account
        people.revision += held is None or held.epoch != account.epoch
        self.store.append(self.writer, drafts)
        return True

    async def end_session(self, jti: str, until: datetime, now: datetime, events: Sequence[EventDraft]) -> None:
        people = self.store.people
        if jti in people.ended:
            return
        drafts = prepared(list(events))
        people.ended = {**{one: end for one, end in people.ended.items() if end > now}, jti: until}
        people.revision += 1
        self.store.append(self.writer, drafts)

    async def session_marks(self, known: int | None) -> SessionMarks | None:
        people = self.store.people
        if people.revision == known:
            return None
        epochs = {name: one.epoch for name, one in people.accounts.items()}
        return SessionMarks(people.revision, epochs, frozenset(people.ended))

    async def login_locks(self, keys: Sequence[str], now: datetime) -> dict[str, datetime]:
        instant = microseconds(now)
        held = {key: self._login(key).locked_until for key in keys}
        return {key: instant_of(until) for key, until in held.items() if until > instant}

    async def begin_login(self, tries: Sequence[LoginTry], limit: LoginLimit, now: datetime) -> LoginWait | None:
        self._forget_stale(limit, now)
        waits = [login_counts.wait_for(self._login(one.key), one.mark, limit, now) for one in tries]
        if found := [wait for wait in waits if wait is not None]:
            return max(found, key=lambda wait: wait.seconds)
        for one in tries:
            self.store.people.logins[one.key] = login_counts.begun(self._login(one.key), one.mark, limit, now)
        return None

    async def fail_login(
        self, tries: Sequence[LoginTry], limit: LoginLimit, now: datetime, events: Sequence[EventDraft]
    ) -> None:
        after = {one.key: login_counts.failed(self._login(one.key), one.mark, limit, now) for one in tries}
        news = [one.on_lock for one in tries if one.on_lock and after[one.key].locked_until > microseconds(now)]
        drafts = prepared([*events, *news])
        self.store.people.logins.update(after)
        self.store.append(self.writer, drafts)

    async def pass_login(self, tries: Sequence[LoginTry], clear: Sequence[str], events: Sequence[EventDraft]) -> None:
        drafts = prepared(list(events))
        for one in tries:
            self.store.people.logins[one.key] = login_counts.passed(self._login(one.key), one.mark)
        for key in clear:
            self.store.people.logins.pop(key, None)
        self.store.append(self.writer, drafts)

    async def platform_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        return [event for event in self.store.events[max(0, after) :] if event.taxpayer is None][:limit]

    def _login(self, key: str) -> LoginCount:
        return self.store.people.logins.get(key, LoginCount())

    def _forget_stale(self, limit: LoginLimit, now: datetime) -> None:
        held = self.store.people.logins
        for key in [key for key, count in held.items() if count.stale_at(limit) <= microseconds(now)]:
            del held[key]
