"""Who calls: the bearer token of a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.routing import APIRoute

from kaipiao.access.tokens import Caller, Permission, Session, require
from kaipiao.api.addresses import refuse_unknown_parameters
from kaipiao.api.people.parts import people_of, source
from kaipiao.api.services import Services
from kaipiao.errors import AccessRefused, NotFound, PermissionMissing
from kaipiao.issuing.trail import actor
from kaipiao.language import Text
from kaipiao.operations.degradation.ladder import Level

SPARED = frozenset({Permission.READ, Permission.AUDIT})  # what a node under too much load does less of
# The dependencies made by `caller_with`, and what each asks for.
NEEDS: dict[Callable[..., object], Permission] = {}


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def caller_with(permission: Permission) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: the caller of this request, who must hold the permission. With a token for programs it waits for nothing,
    but a plain function would be run in a thread of its own for every request."""

    async def caller(request: Request) -> Caller:
        try:
            found = await let_in(request)
        except AccessRefused as refused:
            services_of(request).scrape.metrics.token_refused(refused.code)
            await services_of(request).refusals.hold(source(request))
            raise
        request.scope["kaipiao.subject"] = found.subject  # for the log line of this request
        actor.set(found.subject)  # for the events of this request; each has a context of its own
        services_of(request).rates.admit(found.counted_as)
        if permission in SPARED and services_of(request).degradation.at_least(Level.L3):
            services_of(request).reads.admit(found.counted_as)
        require(found, permission)
        refuse_unknown_parameters(request)
        return found

    NEEDS[caller] = permission
    return caller


async def let_in(request: Request) -> Caller:
    """The caller of this request, as its token and session stand now. What goes on after the request was judged, a stream
    or a batch, asks again from time to time. Raises `AccessRefused`; `LedgerFault` where it cannot be known of a session."""
    found = _caller_of(request)
    if found.session is not None:
        await people_of(request).sessions.require_live(found.session)
    return found


def _caller_of(request: Request) -> Caller:
    given = request.headers.getlist("authorization")
    scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AccessRefused()
    return services_of(request).tokens.check(token.strip())


def session_of(caller: Caller) -> Session:
    """Of a caller who holds `account:own`: only a session does."""
    if caller.session is None:
        raise PermissionMissing(permission=Permission.OWN.value)
    return caller.session


def needed_by(route: APIRoute) -> set[Permission]:
    """What the caller of a route must hold, as the route declares it; empty: anybody may call it."""
    return {NEEDS[part.call] for part in route.dependant.dependencies if part.call in NEEDS}


def taxpayers_for(caller: Caller, services: Services, asked: str | None) -> tuple[str, ...]:
    """The taxpayers that this request is about. Another's taxpayer is simply not found."""
    mine = tuple(t for t in services.taxpayers if caller.may_act_for(t))
    if asked is None:
        return mine
    if asked not in mine:
        raise NotFound(Text("没有这个纳税人", "There is no such taxpayer"), code="KP-FIND-02")
    return (asked,)
