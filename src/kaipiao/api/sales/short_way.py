"""The short way to `POST /v1/invoices`, as pure ASGI: the same check of the caller, the same endpoint, the same problems.

The framework's own way (routing, dependencies, exit stacks, its layers of error handling) costs more than everything that
is done for the sale itself (`benchmarks/run.py`). The route stays declared where it was: OpenAPI describes it, metrics
name it, and a request with a query goes to it the long way, where it is refused.

A sale has a place (`admission.py`) while it is worked on; that its answer is read is not waited for in it.
"""

from __future__ import annotations

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kaipiao.api import problems
from kaipiao.api.door.admission import Priority
from kaipiao.api.door.places import placed
from kaipiao.api.sales.invoices import issue, issuing_caller
from kaipiao.api.sales.later import patience_of
from kaipiao.errors import KaipiaoError


class SalesDoor:
    """Wraps the router. `route`: the declared route of `issue`."""

    def __init__(self, app: ASGIApp, route: APIRoute) -> None:
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_a_sale(scope):
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route
        request = Request(scope, receive)
        try:
            response = await _issued(request)
        except KaipiaoError as error:
            response = problems.response(error, request)
        except Exception as error:  # a defect of ours, told as on every other route
            response = problems.defect(error, request)
        await response(scope, receive, send)

    def _is_a_sale(self, scope: Scope) -> bool:
        asked = (scope["type"], scope.get("method"), scope.get("path"), scope.get("query_string"))
        return asked == ("http", "POST", self._route.path, b"")


async def _issued(request: Request) -> Response:
    caller = await issuing_caller(request)
    priority = Priority.SALE if patience_of(request) is None else Priority.BULK
    with placed(request, caller, priority):
        return await issue(request, caller)
