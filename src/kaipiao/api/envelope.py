"""What every request passes first, as pure ASGI: a request id, security headers, bounds on the body and its time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from random import Random
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaipiao.api.access import services_of
from kaipiao.api.door.admission import Place
from kaipiao.api.door.places import PLACE
from kaipiao.api.door.presence import presence_of
from kaipiao.api.services import Services
from kaipiao.errors import BodyFormRefused, BodyTooSlow, Malformed, TooLarge
from kaipiao.language import Text

SOUND_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
JSON_TYPE = re.compile(r"application/(?:[a-z0-9.-]+\+)?json(?:\s*;\s*charset\s*=\s*\"?utf-?8\"?)?\s*;?", re.IGNORECASE)
_chance = Random()  # noqa: S311 — seeded by the system; an id is no secret
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
]


class Envelope:
    """Gives the request an id (the caller's own, when it is sound) and the answer its fixed headers. HEAD is a GET whose
    answer has no body (RFC 9110 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["kaipiao.request_id"] = request_id

        asked_for_head = scope["method"] == "HEAD"
        if asked_for_head:
            scope = {**scope, "method": "GET", "kaipiao.head": True}

        async def with_headers(message: Message) -> None:
            _note_writer(scope)
            if message["type"] == "http.response.start":
                _extend(message, [*HEADERS, (b"x-request-id", request_id.encode()), *_degraded(scope)])
            elif asked_for_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, with_headers)


def _degraded(scope: Scope) -> list[tuple[bytes, bytes]]:
    """A node that does less says so in every answer."""
    services: Services = scope["app"].state.services
    level = int(services.degradation.level)
    return [(b"kaipiao-degraded", str(level).encode())] if level else []


def _note_writer(scope: Scope) -> None:
    """Before anything of the answer is sent: who has written finds it in the next list."""
    subject = scope.get("kaipiao.subject")
    if subject is not None and scope["method"] != "GET":
        services: Services = scope["app"].state.services
        services.stale_reads.wrote(subject)


def _request_id(scope: MutableMapping[str, Any]) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SOUND_ID.fullmatch(value):
            return bytes(value).decode("ascii")
    return f"{_chance.getrandbits(64):016x}"


def _extend(message: Message, headers: list[tuple[bytes, bytes]]) -> None:
    present = {name.lower() for name, _ in message["headers"]}
    message["headers"] = [*message["headers"], *((n, v) for n, v in headers if n not in present)]


async def body_of(request: Request, limit: int) -> bytes:
    """The whole JSON body, at most `limit` bytes; more is refused before it is held. An order that has a place (`PLACE` in
    the scope) holds its bytes there, and gets its body when its turn has come. Raises `TooLarge`, `BodyFormRefused`,
    `BodyTooSlow`, `Malformed` when the caller went away half-way, and what `admission.Place` raises."""
    _check_form(request)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    place: Place | None = request.scope.get(PLACE)
    body = await _collect(request, limit, place)
    if place is not None:
        await place.turn(presence_of(request.scope))
    return body


async def any_body_of(request: Request, limit: int) -> bytes:
    """The whole body, whatever its form. Raises as `body_of`."""
    return await _collect(request, limit, None)


async def _collect(request: Request, limit: int, place: Place | None) -> bytes:
    pace = services_of(request).body_pace
    began = asyncio.get_running_loop().time()
    parts = bytearray()
    try:
        async with asyncio.timeout(pace.of_body(0)) as patience:
            async for piece in request.stream():
                if len(parts) + len(piece) > limit:
                    raise _too_large(limit)
                if place is not None:
                    place.hold(len(piece))
                parts += piece
                if piece:
                    patience.reschedule(began + pace.of_body(len(parts)))
    except TimeoutError as slow:
        raise BodyTooSlow from slow
    except ClientDisconnect as gone:
        raise Malformed(Text("请求体不完整", "The body is incomplete")) from gone
    return bytes(parts)


def _check_form(request: Request) -> None:
    """A body without a Content-Type is read as JSON; one that says it is something else is not."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BodyFormRefused(Text("不接受压缩的请求体", "A compressed body is not accepted"))
    if not JSON_TYPE.fullmatch(request.headers.get("content-type", "application/json").strip()):
        raise BodyFormRefused(Text("请求体须为 UTF-8 的 JSON", "The body must be JSON in UTF-8"))


def _too_large(limit: int) -> TooLarge:
    return TooLarge(Text(f"请求体超过 {limit} 字节", f"The body is over {limit} bytes"), limit=limit)
