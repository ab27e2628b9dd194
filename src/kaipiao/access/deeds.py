"""What somebody did to access, as events of the trail: who, from where, to whom. Never a password, a code or a token."""

from __future__ import annotations

from dataclasses import dataclass

from kaipiao.access.tokens import PERSON
from kaipiao.clock import Clock
from kaipiao.ledger.accounts import Account
from kaipiao.ledger.port import EventDraft


@dataclass(frozen=True, slots=True)
class By:
    """Who acts. `actor`: the subject of the token; None: nobody that is known. `source`: as failures are counted by."""

    actor: str | None
    source: str


class Deeds:
    """Makes the events."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def to(self, account: Account, kind: str, by: By, **data: str | int | bool | None) -> EventDraft:
        """Something about an account."""
        whose = {"account": account.account, "tenant": account.tenant}
        return self._event(kind, by, **whose, **data)

    def by_itself(self, account: Account, kind: str, source: str, **data: str | int | bool | None) -> EventDraft:
        """Something that the person did itself."""
        return self.to(account, kind, By(PERSON + account.account, source), **data)

    def refused(self, account: Account | None, source: str) -> EventDraft:
        """A log-in that failed. A name that nobody has is not written down: it may be a password in the wrong field."""
        if account is None:
            return self._event("login_refused", By(None, source), account=None)
        return self.to(account, "login_refused", By(None, source), disabled=account.disabled)

    def locked(self, account: Account | None, source: str) -> EventDraft:
        if account is None:
            return self._event("locked", By(None, source), account=None)
        return self.to(account, "locked", By(None, source))

    def source_locked(self, source: str) -> EventDraft:
        return self._event("source_locked", By(None, source))

    def _event(self, kind: str, by: By, **data: str | int | bool | None) -> EventDraft:
        return EventDraft(f"access.{kind}", self._clock.now(), data={"actor": by.actor, "source": by.source, **data})
