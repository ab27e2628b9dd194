"""The door: a listening socket that can be closed for a while, and the connections that came through it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kaipiao.authority.sandbox.data_tables import limits
from kaipiao.authority.sandbox.listener import Listener, Stream
from kaipiao.errors import SettingsFault
from kaipiao.language import Text

_log = logging.getLogger(__name__)
_MOST_CONNECTIONS = 1000


class Door:
    """`converse` holds one conversation over a secured stream; `before_handshake` may wait."""

    def __init__(
        self,
        address: tuple[str, int],
        listener: Listener,
        converse: Callable[[Stream], Awaitable[None]],
        before_handshake: Callable[[], Awaitable[None]],
    ) -> None:
        self._address = address
        self._listener = listener
        self._converse = converse
        self._before_handshake = before_handshake
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: dict[asyncio.Task[None], socket.socket] = {}
        self._reopening: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return self._address[1]

    async def open(self) -> None:
        """Raises `SettingsFault` when the address cannot be had."""
        host = self._address[0]
        listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setblocking(False)
        try:
            listening.bind(self._address)
            listening.listen(256)
        except OSError as fault:
            listening.close()
            detail = f"{host}:{self._address[1]}"
            raise SettingsFault(Text(f"地址不可用：{detail}", f"The address cannot be used: {detail}")) from fault
        self._address = (host, listening.getsockname()[1])
        self._socket = listening
        self._accepting = asyncio.create_task(self._accept(listening))

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as fault:
                _log.warning("accept failed: %s", fault)
                await asyncio.sleep(0.05)
                continue
            if len(self._connections) >= _MOST_CONNECTIONS:
                connection.close()
                continue
            task = asyncio.create_task(self._attend(connection))
            self._connections[task] = connection
            task.add_done_callback(self._connections.pop)

    async def _attend(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # fails where the client has gone already
            await self._before_handshake()
            async with asyncio.timeout(limits().handshake_seconds):
                stream = await self._listener.secure(connection)
            await self._converse(stream)
        except (OSError, TimeoutError) as fault:
            _log.debug("connection ended: %s", fault)
        finally:
            connection.close()

    def close_for(self, wait: Awaitable[None]) -> None:
        """Refuse everybody until `wait` is over; connections that are open are reset."""
        if self._reopening is None or self._reopening.done():
            self._reopening = asyncio.create_task(self._close_and_reopen(wait))
        else:
            _discard(wait)

    async def _close_and_reopen(self, wait: Awaitable[None]) -> None:
        self._shut()
        for task in self._reset_all():
            with suppress(asyncio.CancelledError):
                await task
        await wait
        await self.open()

    def _shut(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
        if self._socket is not None:
            self._socket.close()

    def _reset_all(self) -> list[asyncio.Task[None]]:
        current = asyncio.current_task()
        tasks = [task for task in self._connections if task is not current]
        for task in tasks:
            task.cancel()
        return tasks

    async def close(self) -> None:
        """For good."""
        if self._reopening is not None:
            self._reopening.cancel()
        self._shut()
        ending = [self._accepting, self._reopening, *self._reset_all()]
        await asyncio.gather(*(task for task in ending if task is not None), return_exceptions=True)


def _discard(wait: Awaitable[None]) -> None:
    if asyncio.iscoroutine(wait):
        wait.close()
