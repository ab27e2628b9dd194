"""How long a connection may take to say what it wants. uvicorn waits for ever for the head of a request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kaipiao.errors import Malformed

HEAD_SECONDS = 15.0  # real time from the first byte, or from the connection, to the end of the head


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 that closes a connection whose head of a request does not arrive in time."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waiting is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()

    def on_headers_complete(self) -> None:
        self._wait_no_more()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all gets a problem too, in both languages as nobody's language is known."""
        body = json.dumps(_no_http(), ensure_ascii=False).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def _wait(self) -> None:
        if not self.transport.is_closing():
            self._waiting = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def _no_http() -> dict[str, Any]:
    error = Malformed
    return {
        "type": f"urn:kaipiao:problem:{error.code}",
        "title": f"{error.title.zh} / {error.title.en}",
        "status": 400,
        "detail": "不是有效的 HTTP 请求 / This is no valid HTTP request",
        "code": error.code,
        "next_step": f"{error.next_step.zh} / {error.next_step.en}",
        "send_again": error.resend.value,
    }
