"""The HTTP application."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from kaipiao import __version__
from kaipiao.api import load, modes, months, outages, platform, problems, repairs, stream, surroundings, taxpayers
from kaipiao.api.alarms import router as alarms_router
from kaipiao.api.described import deprecations, openapi
from kaipiao.api.described.deprecations import Deprecation, Deprecations
from kaipiao.api.door.figures import tell
from kaipiao.api.envelope import Envelope
from kaipiao.api.feed import Feed
from kaipiao.api.people import accounts, audit_view, own_account, sessions
from kaipiao.api.people.account_fields import state_shortest_password
from kaipiao.api.people.parts import people_over
from kaipiao.api.sales import batch, check, invoices, later, succession
from kaipiao.api.sales.short_way import SalesDoor
from kaipiao.api.services import Services
from kaipiao.operations import catalogue
from kaipiao.operations.alarms.deeds import AlarmDeeds
from kaipiao.operations.alarms.sorts import sorts
from kaipiao.operations.watched_requests import WatchedRequests

_SALES = (invoices.router, batch.router, check.router, later.router, succession.router, taxpayers.router)
_MONTHS = (modes.router, months.router, repairs.router)
_PEOPLE = (alarms_router, sessions.router, own_account.router, accounts.router)
ROUTERS = (
    *_SALES,
    stream.router,
    platform.router,
    outages.router,
    surroundings.router,
    load.router,
    audit_view.router,
    *_MONTHS,
    *_PEOPLE,
)


def routes() -> Iterator[BaseRoute]:
    """Every route of the API."""
    for router in ROUTERS:
        yield from router.routes


class Application(FastAPI):
    """What every request passes first (`front`) stands before the framework's own layers, so that a sale, which needs none of
    them, does not pay for them."""

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self.front(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)


def create(services: Services, deprecated: Mapping[str, Deprecation] | None = None) -> Application:
    """The application over these services. It starts and stops nothing itself. `deprecated`: else the table of the package."""
    app = Application(
        title="Kaipiao 开票",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
    )
    going = deprecations.table() if deprecated is None else deprecated
    app.state.services = services
    app.state.feed = Feed(services.ledger)
    app.state.people = people_over(services)
    app.state.alarms = AlarmDeeds(services.ledger, services.clock, sorts())
    app.state.routes = tuple(route for route in routes() if isinstance(route, APIRoute))
    deprecations.check_routes(going, (f"{m} {r.path}" for r in app.state.routes for m in r.methods or ()))
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    tell(services.admission, services.scrape.metrics)
    services.scrape.metrics.gauges[catalogue.DEGRADATION] = lambda: int(services.degradation.level)
    app.front = _front(app, going, services)
    app.openapi = lambda: _openapi(app, going)  # type: ignore[method-assign]
    return app


def _front(app: Application, going: Mapping[str, Deprecation], services: Services) -> ASGIApp:
    """From the inside out."""
    metrics = services.scrape.metrics
    front: ASGIApp = SalesDoor(app.framework, _route_of(app, invoices.issue))  # inside of what counts
    if going:
        front = Deprecations(front, going, metrics)
    return Envelope(WatchedRequests(front, metrics))  # inside of what gives the id


def _route_of(app: FastAPI, endpoint: object) -> APIRoute:
    routes: tuple[APIRoute, ...] = app.state.routes
    return next(route for route in routes if route.endpoint is endpoint)


def _openapi(app: FastAPI, going: Mapping[str, Deprecation]) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = openapi.describe(app, invoices.request_schema(), going)
        state_shortest_password(document, app.state.services.access.password_length)
        app.openapi_schema = document
    return app.openapi_schema
