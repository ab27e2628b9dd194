"""Calls an ASGI application without a network. Whatever it answers, in whatever test, must be what it has described."""

from __future__ import annotations

import asyncio
from typing import Any

from described import Answer, check
from fastapi import FastAPI
from starlette.types import ASGIApp, Message

__all__ = ["Answer", "call"]


async def call(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    token: str | None = None,
    body: bytes | list[bytes] = b"",
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request. A list as body is a streamed one; an empty list: the caller is gone before it comes."""
    path, _, query = target.partition("?")
    sent = {**({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    parts = body if isinstance(body, list) else [body]
    answer = Answer(0, {}, b"")

    ended, gone = asyncio.Event(), not parts

    async def receive() -> Message:
        if not parts:
            if not gone:
                await ended.wait()
            return {"type": "http.disconnect"}
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode("latin-1") for k, v in message["headers"]}
        else:
            answer.body += message.get("body", b"")
            if not message.get("more_body"):
                ended.set()

    try:
        await app(scope, receive, send)
    except Exception:
        if answer.status != 500:  # a defect is answered, then raised again for the server's log
            raise
    if isinstance(app, FastAPI):
        check(app, method, path, answer)
    return answer
