"""What each address takes: its methods and its query parameters."""

from __future__ import annotations

from collections import Counter

from fastapi import Request
from fastapi.routing import APIRoute

from kaipiao.errors import Malformed
from kaipiao.language import Text


def _routes_at(request: Request) -> list[APIRoute]:
    routes: tuple[APIRoute, ...] = request.app.state.routes
    return [route for route in routes if route.path_regex.match(request.url.path)]


def methods_at(request: Request) -> list[str]:
    """The methods of this address over all routes, for the header Allow; each route alone knows only its own."""
    methods = {method for route in _routes_at(request) for method in route.methods or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def refuse_unknown_parameters(request: Request) -> None:
    """Raise `Malformed` for a parameter that is not ours or stands twice: a mistyped `order` must not list everything."""
    if not request.scope["query_string"]:
        return
    method = "GET" if request.method == "HEAD" else request.method
    routes = [route for route in _routes_at(request) if method in (route.methods or ())]
    known = {field.alias for route in routes for field in route.dependant.query_params}
    given = Counter(name for name, _ in request.query_params.multi_items())
    wrong = sorted(name for name, count in given.items() if name not in known or count > 1)
    if wrong:
        sound = ", ".join(sorted(known)) or "-"
        raise Malformed(
            Text(
                f"请求参数不存在或重复；可用参数：{sound}",
                f"A parameter is unknown or stands twice; there are: {sound}",
            ),
            parameters=sorted(known),
        )
