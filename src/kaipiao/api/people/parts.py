"""What the routes about people work with: the parts of `access`, put together once for an application."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from kaipiao.access.accounts import Accounts
from kaipiao.access.deeds import By, Deeds
from kaipiao.access.log_in import LogIn
from kaipiao.access.names import source_of
from kaipiao.access.own_account import OwnAccount
from kaipiao.access.passwords import Passwords
from kaipiao.access.sessions import Sessions
from kaipiao.access.strongbox import Strongbox
from kaipiao.access.tokens import Caller
from kaipiao.api.services import Services


@dataclass(frozen=True, slots=True)
class People:
    sessions: Sessions
    log_in: LogIn
    accounts: Accounts
    own: OwnAccount
    strongbox: Strongbox


def people_over(services: Services) -> People:
    settings, clock = services.access, services.wall_clock
    books, deeds = services.ledger, Deeds(services.clock)
    passwords, strongbox, sessions = Passwords(settings), Strongbox(services.account_keys), Sessions(books)
    log_in = LogIn(books, passwords, strongbox, services.tokens, settings, deeds, clock)
    return People(
        sessions,
        log_in,
        Accounts(books, passwords, sessions, settings, deeds, clock, services.taxpayers, services.tokens.tenants),
        OwnAccount(books, passwords, strongbox, sessions, log_in, settings, deeds, clock),
        strongbox,
    )


def people_of(request: Request) -> People:
    people: People = request.app.state.people
    return people


def source(request: Request) -> str:
    """Where the request comes from, as failures are counted. Headers of proxies are not believed."""
    return source_of(request.client.host if request.client else None)


def by(request: Request, caller: Caller) -> By:
    return By(caller.subject, source(request))
