"""What every request passes first, as pure ASGI: a request id, security headers, bounds on the body."""

from __future__ import annotations

import re
import secrets
from collections.abc import MutableMapping
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaipiao.errors import Malformed, TooLarge
from kaipiao.language import Text

SOUND_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
]


class Envelope:
    """Gives the request an id (the caller's own, when it is sound) and the answer its fixed headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["kaipiao.request_id"] = request_id

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _extend(message, [*HEADERS, (b"x-request-id", request_id.encode())])
            await send(message)

        await self._app(scope, receive, with_headers)


def _request_id(scope: MutableMapping[str, Any]) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and SOUND_ID.fullmatch(value):
            return bytes(value).decode("ascii")
    return secrets.token_hex(8)


def _extend(message: Message, headers: list[tuple[bytes, bytes]]) -> None:
    present = {name.lower() for name, _ in message["headers"]}
    message["headers"] = [*message["headers"], *((n, v) for n, v in headers if n not in present)]


async def body_of(request: Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes; more is refused before it is held."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        refusal = Malformed(Text("不接受压缩的请求体", "A compressed body is not accepted"), code="KP-HTTP-02")
        refusal.status = 415
        raise refusal
    parts = bytearray()
    async for chunk in request.stream():
        parts += chunk
        if len(parts) > limit:
            raise _too_large(limit)
    return bytes(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(Text(f"请求体超过 {limit} 字节", f"The body is over {limit} bytes"), limit=limit)
