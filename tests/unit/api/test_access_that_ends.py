"""What goes on after a request was judged, a stream or a batch, does not outlive the token or session that let it in."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parents[1] / "access"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import TOKENS, sale, token, told
from bench import Point
from people_calls import make, send, session

from kaipiao.access.revocations import NOTHING, Revoked
from kaipiao.access.watched import Watched
from kaipiao.api import stream as streams
from kaipiao.api.sales import batch as batches
from kaipiao.clock import SystemClock


class Exchange:
    """One request under way, whose body is written and whose answer is read piece by piece."""

    def __init__(self, app: FastAPI, method: str, path: str, bearer: str) -> None:
        self.scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path,
            "raw_path": path.encode(), "query_string": b"",
            "headers": [
                (b"authorization", f"Bearer {bearer}".encode()),
                (b"accept", b"text/event-stream"),
                (b"content-type", b"application/x-ndjson"),
            ],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        self.body: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.answer: asyncio.Queue[bytes] = asyncio.Queue()
        self.task = asyncio.create_task(app(self.scope, self.body.get, self._send))

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self.answer.put_nowait(message.get("body", b""))

    def write(self, *items: Any) -> None:
        for item in items:
            line = json.dumps(item).encode() + b"\n"
            self.body.put_nowait({"type": "http.request", "body": line, "more_body": True})

    async def read(self) -> bytes:
        return await asyncio.wait_for(self.answer.get(), 5)


@asynccontextmanager
async def under_way(app: FastAPI, method: str, path: str, bearer: str) -> AsyncIterator[Exchange]:
    found = Exchange(app, method, path, bearer)
    try:
        yield found
    finally:
        found.task.cancel()
        await asyncio.gather(found.task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LET_IN_SECONDS", 0.02)
    monkeypatch.setattr(batches, "LET_IN_SECONDS", 0.0)


@pytest.mark.parametrize("end", ["sign out", "disable", "role"])
def test_a_stream_ends_with_the_session_of_its_listener(end: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await make(app, "wang", "auditor")
        bearer = await session(app, "wang")
        async with under_way(app, "GET", "/v1/events/stream", bearer) as listener:
            assert (await listener.read()).startswith(b"retry:")
            await asyncio.sleep(0.1)
            assert not listener.task.done(), "it goes on as long as the session does"
            if end == "sign out":
                assert (await send(app, "DELETE", "/v1/sessions/current", bearer)).status == 204
            elif end == "disable":
                assert (await send(app, "POST", "/v1/accounts/wang:disable", token())).status == 200
            else:
                assert (await send(app, "POST", "/v1/accounts/wang:role", token(), {"role": "issuer"})).status == 200
            await asyncio.wait_for(listener.task, 5)

    told(story)


def test_a_stream_ends_when_its_token_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [NOTHING]
    watched = Watched(lambda: held[0], lambda: held[0])
    monkeypatch.setattr(TOKENS, "revoked", watched)

    async def story(app: FastAPI, p: Point) -> None:
        made = TOKENS.make_known("listener", "auditor", ("*",), timedelta(hours=1))
        async with under_way(app, "GET", "/v1/events/stream", made.token) as listener:
            await listener.read()
            held[0] = Revoked({made.jti: SystemClock().now()}, {})
            await asyncio.wait_for(listener.task, 5)

    told(story)


def test_a_stream_ends_when_its_token_expires() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        bearer = TOKENS.make("listener", "auditor", ("*",), timedelta(seconds=2))
        async with under_way(app, "GET", "/v1/events/stream", bearer) as listener:
            await listener.read()
            await asyncio.wait_for(listener.task, 5)

    told(story)


def test_a_batch_breaks_off_where_the_session_of_its_sender_ended() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await make(app, "li", "issuer")
        bearer = await session(app, "li")
        async with under_way(app, "POST", "/v1/invoices:batch", bearer) as sender:
            sender.write(sale("A-1"))
            assert json.loads(await sender.read())["status"] == 201
            assert (await send(app, "POST", "/v1/accounts/li:disable", token())).status == 200
            sender.write(sale("A-2"), sale("A-3"))
            refused = json.loads(await sender.read())
            assert (refused["status"], refused["problem"]["code"]) == (401, "KP-ACCESS-13")
            await asyncio.wait_for(sender.task, 5)
            assert await p.ledger.find(sale()["seller"], orders=["A-2", "A-3"]) == []

    told(story)
