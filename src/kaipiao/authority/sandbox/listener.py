"""Connections: a small port for what happens between accept and the first byte, and its two sorts, plain and TLS.

The sandbox drives TLS itself over sockets, so that faults can strike at any moment: before the handshake, in the middle
of an answer, by a reset. The SM profile (TLS 1.3 with SM2 certificates) becomes a third `Listener`."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

T = TypeVar("T")
_PIECE = 65536  # bytes read at once
_GOODBYE_SECONDS = 1.0
_RESET = struct.pack("ii", 1, 0)


class Stream(Protocol):
    """A secured connection, used by one task."""

    async def receive(self) -> bytes:
        """What has come, b"" at the end. Raises OSError."""
        ...

    async def send(self, data: bytes) -> None:
        """Returns when the kernel has all of it. Raises OSError."""
        ...

    async def close(self) -> None:
        """Say goodbye, then close."""
        ...

    def abort(self) -> None:
        """Close with a reset, nothing said."""
        ...


class Listener(Protocol):
    async def secure(self, connection: socket.socket) -> Stream:
        """The handshake. Raises OSError (ssl.SSLError is one) when there is none."""
        ...


class PlainStream:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    async def receive(self) -> bytes:
        return await self._loop.sock_recv(self._connection, _PIECE)

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._connection, data)

    async def close(self) -> None:
        """Half-close, let the other side read what it was sent, then close."""
        with suppress(OSError, TimeoutError):
            self._connection.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while await self.receive():
                    pass
        self._connection.close()

    def abort(self) -> None:
        with suppress(OSError):
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._connection.close()


class PlainListener:
    async def secure(self, connection: socket.socket) -> Stream:
        return PlainStream(connection)


class TlsStream:
    """TLS over memory buffers: bytes go between them and the socket only when we move them."""

    def __init__(self, wire: PlainStream, context: ssl.SSLContext) -> None:
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self) -> None:
        await self._drive(self._tls.do_handshake)

    async def receive(self) -> bytes:
        try:
            return await self._drive(lambda: self._tls.read(_PIECE))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def send(self, data: bytes) -> None:
        await self._drive(lambda: self._tls.write(data))

    async def close(self) -> None:
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        with suppress(OSError):
            await self._flush()
        await self._wire.close()

    def abort(self) -> None:
        self._wire.abort()

    async def _drive(self, step: Callable[[], T]) -> T:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError:
                await self._flush()  # the alert
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._wire.send(self._outgoing.read())

    async def _fill(self) -> None:
        data = await self._wire.receive()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


class TlsListener:
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    async def secure(self, connection: socket.socket) -> Stream:
        stream = TlsStream(PlainStream(connection), self._context)
        await stream.handshake()
        return stream
