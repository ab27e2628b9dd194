"""A way to the server that can be cut at a chosen message: before it arrives, after it was answered, or so that it arrives
late, when its sender has long given up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from urllib.parse import urlsplit

_KEY = re.compile(rb"K\x00\x00\x00\x0c....", re.DOTALL)  # BackendKeyData: length, process, secret
_OTHER = b"K\x00\x00\x00\x0c\x7f\x00\x00\x01"


class Cut(Enum):
    BEFORE = "before it reached the server"
    AFTER = "after the server has done it"
    LATE = "and arrives when it is let go"


class Proxy:
    """Forwards bytes. Once armed, the first message with the mark in it is cut as told; then it forwards again."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._mark: bytes | None = None
        self._cut = Cut.BEFORE
        self._let_go = asyncio.Event()
        self.cuts = 0
        self.arrived_late = asyncio.Event()
        self._silenced: set[asyncio.StreamWriter] = set()
        self._callers: set[asyncio.StreamWriter] = set()
        self.silent = False  # nothing passes, on new connections either
        self.other_process = False  # the server's process is named wrongly, as a pooler does

    def arm(self, mark: bytes, cut: Cut) -> None:
        self._mark, self._cut = mark, cut

    def silence(self) -> None:
        """On the connections of this moment nothing passes any more; they stay open."""
        self._silenced |= self._callers

    async def let_go(self) -> None:
        """Let the message that was held arrive, and wait until the server has answered it."""
        self._let_go.set()
        await asyncio.wait_for(self.arrived_late.wait(), 10)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        back = asyncio.create_task(self._answer(up_reader, writer))
        self._callers.add(writer)
        try:
            while data := await reader.read(1 << 16):
                if self.silent or writer in self._silenced:
                    continue
                if self._mark is not None and self._mark in data:
                    self._mark = None
                    self.cuts += 1
                    await self._cut_here(data, back, up_reader, up_writer, writer)
                    return
                up_writer.write(data)
                await up_writer.drain()
        except ConnectionError:
            pass  # either end is gone: so is this way
        finally:
            self._callers.discard(writer)
            back.cancel()
            writer.close()
            up_writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                if self.silent or writer in self._silenced:
                    continue
                writer.write(_KEY.sub(_OTHER, data) if self.other_process else data)
                await writer.drain()
            writer.close()
        except ConnectionError:
            return

    async def _cut_here(
        self,
        data: bytes,
        back: asyncio.Task[None],
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        back.cancel()
        await asyncio.gather(back, return_exceptions=True)
        if self._cut is Cut.AFTER:
            up_writer.write(data)
            await up_reader.read(1 << 16)
        writer.transport.abort()
        if self._cut is Cut.LATE:
            await self._let_go.wait()
            up_writer.write(data)
            await up_reader.read(1 << 16)
            self.arrived_late.set()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before the server of `url`, and the address of the same database through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    proxy = Proxy(parts.hostname, parts.port or 5432)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    account = f"{parts.username}{':' + parts.password if parts.password else ''}"
    try:
        yield proxy, f"postgresql://{account}@127.0.0.1:{port}{parts.path}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
