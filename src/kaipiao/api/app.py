"""The HTTP application."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from kaipiao import __version__
from kaipiao.api import invoices, platform, problems
from kaipiao.api.envelope import Envelope
from kaipiao.api.services import Services


def create(services: Services) -> FastAPI:
    """The application over these services. It starts and stops nothing itself."""
    app = FastAPI(title="Kaipiao 开票", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.include_router(invoices.router)
    app.include_router(platform.router)
    problems.install(app)
    app.add_middleware(Envelope)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        request = invoices.request_schema()
        definitions = request.pop("$defs", {})
        components.update(definitions if isinstance(definitions, dict) else {})
        components["InvoiceRequest"] = request
        schema["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
        schema["security"] = [{"bearer": []}]
        app.openapi_schema = schema
    return app.openapi_schema
