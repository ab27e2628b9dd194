"""What each address takes: its methods and its query parameters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from kaipiao.errors import Malformed
from kaipiao.language import Text


def _routes_at(request: Request) -> list[APIRoute]:
    routes: tuple[APIRoute, ...] = request.app.state.routes
    return [route for route in routes if route.path_regex.match(request.url.path)]


def _literal(route: APIRoute) -> int:
    """How much of an address is the route's own: `/a/{b}:do` is nearer to `/a/x:do` than `/a/{b}`."""
    return len(re.sub(r"\{[^}]*\}", "", route.path))


def methods_at(request: Request) -> list[str]:
    """The methods of this address over all routes, for the header Allow; each route alone knows only its own."""
    found = _routes_at(request)
    nearest = max((_literal(route) for route in found), default=0)
    methods = {method for route in found if _literal(route) == nearest for method in route.methods or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """(name, may it be repeated) of every query parameter, those of dependencies too."""
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        yield field.alias, any(get_origin(part) is list for part in (annotation, *get_args(annotation)))
    for inner in dependant.dependencies:
        yield from _parameters(inner)


def refuse_unknown_parameters(request: Request) -> None:
    """Raise `Malformed` for a parameter that is not ours or stands twice: a mistyped `order` must not list everything."""
    if not request.scope["query_string"]:
        return
    method = "GET" if request.method == "HEAD" else request.method
    routes = [route for route in _routes_at(request) if method in (route.methods or ())]
    known = dict(found for route in routes for found in _parameters(route.dependant))
    given = Counter(name for name, _ in request.query_params.multi_items())
    wrong = sorted(name for name, count in given.items() if name not in known or (count > 1 and not known[name]))
    if wrong:
        sound = ", ".join(sorted(known)) or "-"
        raise Malformed(
            Text(
                f"请求参数不存在或重复；可用参数：{sound}",
                f"A parameter is unknown or stands twice; there are: {sound}",
            ),
            parameters=sorted(known),
        )
