"""Accounts, tenants, sessions and counted log-ins: who may come in, the same on every node.

What is secret in it comes in as hashes and closed envelopes only. Instants are real time, never a sandbox's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kaipiao.ledger.port import Event, EventDraft


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in. `taxpayers`: those it may act for; empty: all of its tenant, without one of the whole
    installation. Sessions that were begun under an earlier `epoch` are over."""

    account: str  # the name; of a tenant: name@tenant
    tenant: str | None
    taxpayers: tuple[str, ...]
    role: str
    password: str = field(repr=False)  # argon2id, PHC form
    made_at: datetime
    changed_at: datetime  # of the password
    must_change: bool = False
    disabled: bool = False
    epoch: int = 1
    totp: str | None = field(default=None, repr=False)  # the secret of one-time codes, closed
    totp_confirmed: bool = False  # only then it is asked for
    totp_step: int = 0  # of the last code that was taken: each is good once
    recovery: tuple[str, ...] = field(default=(), repr=False)  # digests of the codes that are left
    version: int = 1  # + 1 with every change


@dataclass(frozen=True, slots=True)
class LoginTry:
    """What an attempt to sign in counts for. `key`: whom it counts against (a name, a source); `mark`: what is counted
    there once, however often it comes. `on_lock` goes into the trail when this failure locks the key."""

    key: str
    mark: str
    on_lock: EventDraft | None = None


@dataclass(frozen=True, slots=True)
class LoginLimit:
    """`failures` within `seconds` lock for `seconds`."""

    failures: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LoginWait:
    """Why an attempt may not be judged now. `locked`: after failures; else others of the same key are being judged."""

    seconds: float
    locked: bool


@dataclass(frozen=True, slots=True)
class SessionMarks:
    """Which sessions are good: those of an account's present epoch (`epochs`) whose jti is not in `ended`."""

    revision: int
    epochs: Mapping[str, int]
    ended: frozenset[str]


class AccountBooks(Protocol):
    """The part of the ledger that is about people."""

    # tenants: groups of taxpayers; which are whose stands with the taxpayers
    async def save_tenants(self, tenants: Sequence[str], at: datetime) -> None: ...
    async def tenants(self) -> list[str]: ...

    # accounts
    async def account(self, account: str) -> Account | None: ...
    async def accounts(self, tenant: str | None, after: str, limit: int) -> list[Account]:
        """By name, names > after: of one tenant; None: all there are."""
        ...

    async def save_account(self, account: Account, events: Sequence[EventDraft]) -> bool:
        """Version 1 is a new account, version n + 1 takes the place of n, with its events in the same commit. False, and
        nothing stored, when that does not hold (any more)."""
        ...

    # sessions
    async def end_session(self, jti: str, until: datetime, now: datetime, events: Sequence[EventDraft]) -> None:
        """`until`: when the session would have ended by itself; the mark is kept so long. Idempotent."""
        ...

    async def session_marks(self, known: int | None) -> SessionMarks | None:
        """None when the revision is still the known one: nothing has ended since."""
        ...

    # log-ins that are counted, before they are judged
    async def login_locks(self, keys: Sequence[str], now: datetime) -> dict[str, datetime]:
        """Which of the keys are locked, and until when."""
        ...

    async def begin_login(self, tries: Sequence[LoginTry], limit: LoginLimit, now: datetime) -> LoginWait | None:
        """Take a place for each try, or none of them: why not. At most `limit.failures` marks of a key have a place."""
        ...

    async def fail_login(
        self, tries: Sequence[LoginTry], limit: LoginLimit, now: datetime, events: Sequence[EventDraft]
    ) -> None:
        """They were judged and failed; whoever now has so many failures is locked."""
        ...

    async def pass_login(self, tries: Sequence[LoginTry], clear: Sequence[str], events: Sequence[EventDraft]) -> None:
        """Give the places back; forget everything counted for the keys in `clear`."""
        ...

    # the platform's own events: those that concern no taxpayer
    async def platform_events(self, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """By position, ascending, positions > after."""
        ...
