"""Every HTTP request in the metrics and in one log line, as pure ASGI. It stands inside what gives the request its id.

Neither holds a path, a query, a body or a token: a request is named by its route's template.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaipiao.operations.metrics import Metrics
from kaipiao.operations.request_context import REQUEST_ID
from kaipiao.operations.request_line import NAME, RequestLine

log = logging.getLogger(NAME)
UNMATCHED = "unmatched"
LONGEST_SUBJECT = 64  # characters
LONGEST_METHOD = 16


class WatchedRequests:
    """Wraps the application. `scope["kaipiao.request_id"]` was set outside of it, `scope["kaipiao.subject"]` inside."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # of an application that fails before it answers

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # Not reset at the end: the server gives each request a task, and its last words are of this request too.
        REQUEST_ID.set(scope.get("kaipiao.request_id"))
        self._metrics.in_flight += 1
        began = perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            self._metrics.in_flight -= 1
            self._ended(scope, status, perf_counter() - began)

    def _ended(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        method, route = scope["method"], getattr(scope.get("route"), "path", UNMATCHED)
        self._metrics.request_ended(method, route, status, seconds)
        if log.isEnabledFor(logging.INFO):
            subject = scope.get("kaipiao.subject")
            told = (method[:LONGEST_METHOD], route, status, seconds, scope.get("kaipiao.request_id"))
            log.handle(RequestLine(*told, subject[:LONGEST_SUBJECT] if subject else None))
