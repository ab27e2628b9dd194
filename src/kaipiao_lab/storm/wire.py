"""A wire on loopback that can be cut: a TCP proxy in a thread of its own. It understands nothing of what it carries."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

PIECE = 64 * 1024  # bytes


class Wire:
    """`target`: the port that it leads to, asked for at each connection; None: nobody is there."""

    def __init__(self, target: Callable[[], int | None]) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._halves = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._thread.start()
        self._server = self._in_loop(self._listen())
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _listen(self) -> asyncio.Server:
        self._open.set()
        return await asyncio.start_server(self._connected, "127.0.0.1", 0)

    def cut(self) -> int:
        """Reset every connection. Returns how many."""
        connections: int = self._in_loop(self._cut())
        return connections

    def hold(self, seconds: float) -> None:
        """Nothing passes for so long; what is sent waits."""
        self._in_loop(self._hold(seconds))

    def halve(self) -> None:
        """Of the next answer a half passes, then its connection is reset."""
        self._loop.call_soon_threadsafe(self._add_half)

    def close(self) -> None:
        self._server.close()
        self._in_loop(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _in_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _add_half(self) -> None:
        self._halves += 1

    async def _cut(self) -> int:
        writers = list(self._writers)
        for writer in writers:
            _reset(writer)
        return len(writers) // 2

    async def _hold(self, seconds: float) -> None:
        self._open.clear()
        self._loop.call_later(seconds, self._open.set)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._target()
        if port is None:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            _reset(writer)
            return
        pair = (writer, far_writer)
        self._writers |= set(pair)
        try:
            await asyncio.gather(
                self._carry(reader, far_writer, pair), self._carry(far_reader, writer, pair, back=True)
            )
        finally:
            self._writers -= set(pair)
            for end in pair:
                end.close()

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, ...],
        *,
        back: bool = False,
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE):
                await self._open.wait()
                if back and self._halves:
                    self._halves -= 1
                    writer.write(piece[: len(piece) // 2])
                    await writer.drain()
                    for end in pair:
                        _reset(end)
                    return
                writer.write(piece)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """An RST instead of a FIN."""
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()
