"""Waiting until a non-blocking socket can be read or written. Works on asyncio's loops and on uvloop.

The loop's own `sock_sendall` would not say how many bytes were taken when it is cut off, which rule R3 must know.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from kaipiao.authority.transport.resolve import Address


class Readiness:
    """One socket and at most one waiter. `close` wakes the waiter with ConnectionAbortedError."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._number = sock.fileno()
        self._waiter: asyncio.Future[None] | None = None
        self._forget: Callable[[int], bool] | None = None
        self._closed = False

    async def readable(self, seconds: float) -> None:
        """Returns when reading will not block; raises TimeoutError."""
        loop = asyncio.get_running_loop()
        await self._wait(loop, loop.add_reader, loop.remove_reader, seconds)

    async def writable(self, seconds: float) -> None:
        """Returns when writing will not block; raises TimeoutError."""
        loop = asyncio.get_running_loop()
        await self._wait(loop, loop.add_writer, loop.remove_writer, seconds)

    def close(self) -> None:
        """Never waits, so that a cancelled task cannot be stopped in the middle of it."""
        if self._closed:
            return
        self._closed = True
        self._stop_watching()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionAbortedError("closed by this side"))
        self.sock.close()

    async def _wait(
        self,
        loop: asyncio.AbstractEventLoop,
        watch: Callable[..., None],
        forget: Callable[[int], bool],
        seconds: float,
    ) -> None:
        if self._closed:
            raise ConnectionAbortedError("closed by this side")
        if seconds <= 0:  # also when something is always ready: a flood must not outlast its time
            raise TimeoutError
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiter, self._forget = waiter, forget
        watch(self._number, _wake, waiter)
        timer = loop.call_later(seconds, _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._stop_watching()
            self._waiter = None

    def _stop_watching(self) -> None:
        if self._forget is not None:
            self._forget(self._number)
            self._forget = None


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


async def connect(address: Address, seconds: float, keep_alive: int) -> Readiness:
    """A connected non-blocking socket. Raises OSError (TimeoutError after `seconds`)."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    ready = Readiness(sock)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keep_alive)
        try:
            sock.connect(address.sockaddr)
        except BlockingIOError:
            await ready.writable(seconds)
        if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
    except BaseException:
        ready.close()
        raise
    return ready
