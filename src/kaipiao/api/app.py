"""The HTTP application."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from kaipiao import __version__
from kaipiao.api import invoices, openapi, platform, problems
from kaipiao.api.envelope import Envelope
from kaipiao.api.services import Services
from kaipiao.operations.watched_requests import WatchedRequests


def create(services: Services) -> FastAPI:
    """The application over these services. It starts and stops nothing itself."""
    app = FastAPI(title="Kaipiao 开票", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    routes = (*invoices.router.routes, *platform.router.routes)
    app.state.routes = tuple(route for route in routes if isinstance(route, APIRoute))
    app.include_router(invoices.router)
    app.include_router(platform.router)
    problems.install(app)
    app.add_middleware(WatchedRequests, metrics=services.scrape.metrics)  # inside of what gives the id
    app.add_middleware(Envelope)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = openapi.describe(app, invoices.request_schema())
    return app.openapi_schema
