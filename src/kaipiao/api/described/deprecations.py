"""Routes that will go: said in every answer of theirs, in the description and in the metrics, long before they do.

The table is `api/data/deprecations.toml`. Headers: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), `Link`.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from importlib.resources import files
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaipiao.errors import SettingsFault
from kaipiao.language import Text
from kaipiao.operations.metrics import Metrics

log = logging.getLogger(__name__)
LEAST_NOTICE = timedelta(days=365)  # between saying so and the end


@dataclass(frozen=True, slots=True)
class Deprecation:
    """`since`, `sunset`: midnight UTC. `link`: a page that says what to use instead."""

    since: datetime
    sunset: datetime
    link: str

    def headers(self) -> list[tuple[bytes, bytes]]:
        link = f'<{self.link}>; rel="deprecation"; type="text/html"'
        return [
            (b"deprecation", b"@%d" % int(self.since.timestamp())),
            (b"sunset", format_datetime(self.sunset, usegmt=True).encode("ascii")),
            (b"link", link.encode("ascii")),
        ]


def table(text: str | None = None) -> dict[str, Deprecation]:
    """By method and path, as `GET /v1/status`. Raises `SettingsFault` for a row that is not whole, or too sudden."""
    if text is None:
        text = (files("kaipiao.api") / "data" / "deprecations.toml").read_text("utf-8")
    return {route: _row(route, row) for route, row in tomllib.loads(text).items()}


def check_routes(deprecated: Iterable[str], known: Iterable[str]) -> None:
    """Raise `SettingsFault` when a row names a route that does not exist."""
    for route in sorted(set(deprecated) - set(known)):
        raise _wrong(route, Text("没有这个地址", "there is no such route"))


def _row(route: str, row: Mapping[str, Any]) -> Deprecation:
    try:
        since, sunset, link = row["since"], row["sunset"], row["link"]
    except (KeyError, TypeError) as missing:
        raise _wrong(route, Text("须有 since、sunset、link", "needs since, sunset, link")) from missing
    if not isinstance(since, date) or not isinstance(sunset, date) or not str(link).startswith("https://"):
        raise _wrong(route, Text("日期或链接有误", "a date or the link is wrong"))
    if sunset - since < LEAST_NOTICE:
        raise _wrong(route, Text("至少提前 365 天", "at least 365 days of notice"))
    return Deprecation(_midnight(since), _midnight(sunset), str(link))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _wrong(route: str, what: Text) -> SettingsFault:
    return SettingsFault(Text(f"弃用表 {route}：{what.zh}", f"deprecations, {route}: {what.en}"))


class Deprecations:
    """Wraps the application; put there only when the table has a row. Who still comes is counted and logged by name."""

    def __init__(self, app: ASGIApp, deprecated: Mapping[str, Deprecation], metrics: Metrics) -> None:
        self._app = app
        self._deprecated = deprecated
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = f"{scope['method']} {getattr(scope.get('route'), 'path', '')}"
                found = self._deprecated.get(route)
                if found is not None:
                    message["headers"] = [*message["headers"], *found.headers()]
                    self._metrics.deprecated_used(route)
                    log.warning("deprecated", extra={"route": route, "subject": scope.get("kaipiao.subject")})
            await send(message)

        await self._app(scope, receive, telling)
