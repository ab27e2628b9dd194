"""The entrance and the protocol of `kaipiao serve` over an application of a few lines, on a real port, in a thread."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from kaipiao.cli.entrance import Door, Entrance
from kaipiao.cli.patience import Ahead, Patience, PatientProtocol, answer
from kaipiao.errors import DoorFull

BIG = 24 * 1024 * 1024  # more than kernels hold for a caller that does not read


class Served:
    """`refused`, `cut`: the reasons told so far. `begun`: paths of requests whose application began."""

    def __init__(
        self,
        patience: Patience | None = None,
        door: Door | None = None,
        secure: ssl.SSLContext | None = None,
        keepalive: float = 30.0,
    ) -> None:
        self.patience = patience or Patience()
        self.door = door or Door()
        self.refused: list[str] = []
        self.cut: list[str] = []
        self.begun: list[str] = []
        self.gone: list[str] = []
        self.gate = asyncio.Event()
        self.state = ServerState()
        self.ahead = Ahead(self.patience.ahead_bytes)
        self._secure = secure
        self._keepalive = keepalive
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._run()))

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self.loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._application, interface="asgi3", lifespan="off", log_config=None, access_log=False, proxy_headers=False
        )
        config.timeout_keep_alive = self._keepalive  # type: ignore[assignment]
        config.load()

        def make(lost: Callable[[], None]) -> asyncio.Protocol:
            return PatientProtocol(
                config, self.state, {}, patience=self.patience, ahead=self.ahead, lost=lost, cut=self.cut.append
            )

        refusal = answer(DoorFull(), "retry-after: 2")
        self.entrance = Entrance(listener, make, self.door, self._secure, refusal, self.refused.append)
        self.entrance.open()
        self._ready.set()
        await self._end.wait()
        self.entrance.close()
        await self.entrance.wait_closed()
        for connection in list(self.state.connections):
            connection.transport.abort()
        for task in list(self.state.tasks):
            task.cancel()
        await asyncio.sleep(0.05)

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        """/count the bytes of the body; /big; /at-once: answered without its body; /held: until the gate opens, then /count."""
        path = scope["path"]
        self.begun.append(path)
        if path == "/held":
            await self.gate.wait()
        body = b"x" * BIG if path == "/big" else b"."
        if path in ("/count", "/held"):
            size = await self._size(path, receive)
            if size is None:
                return
            body = str(size).encode()
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _size(self, path: str, receive: Any) -> int | None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.append(path)
                return None
            size += len(message["body"])
            more = message["more_body"]
        return size

    def open_gate(self) -> None:
        self.loop.call_soon_threadsafe(self.gate.set)

    def connect(self, seconds: float = 10.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def talk(self, data: bytes) -> bytes:
        """All that is said until the server ends it."""
        with self.connect() as connection:
            with suppress(ConnectionError):
                connection.sendall(data)
            return heard(connection)

    def until(self, true: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + 10
        while not true():
            assert time.monotonic() < end, what
            time.sleep(0.01)

    def only_connection(self) -> PatientProtocol:
        (protocol,) = self.state.connections
        assert isinstance(protocol, PatientProtocol)
        return protocol

    def empty(self) -> None:
        """Every connection has left, and nothing is counted for it any more."""
        self.until(lambda: not self.entrance.connections and not self.state.connections, "connections are left")
        self.until(lambda: not self.ahead.total, "something is still weighed")


def heard(connection: socket.socket) -> bytes:
    """Until the end; a connection that is reset has said all it will."""
    said = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            said += part
    return said


def answered(connection: socket.socket, body: bytes) -> bool:
    """Whether an answer with this body comes, in however many pieces."""
    said = b""
    while not said.endswith(b"\r\n\r\n" + body):
        part = connection.recv(65536)
        if not part:
            return False
        said += part
    return said.startswith(b"HTTP/1.1 200")
