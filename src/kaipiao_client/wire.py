"""HTTP/1.1 over asyncio streams: one request at a time on a connection, answers whole or line by line (RFC 9112)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from kaipiao_client.calls import Answer
from kaipiao_client.place import Place

LONGEST_LINE = 16 * 1024 * 1024  # bytes: of an answer in a batch; a head's lines are bounded by the same


class Broken(OSError):
    """The other side broke off, or what it sent is no HTTP."""


class Wire:
    """A connection. After an answer that was read to its end `usable` says whether another request may follow."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout = timeout
        self.usable = True

    @classmethod
    async def open(cls, place: Place, patience: float) -> Wire:
        async with asyncio.timeout(patience):
            streams = await asyncio.open_connection(place.host, place.port, ssl=place.tls, limit=LONGEST_LINE)
        return cls(*streams, patience)

    async def send(
        self, method: str, target: str, authority: str, headers: Mapping[str, str], body: bytes | None
    ) -> None:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {authority}", *(f"{n}: {v}" for n, v in headers.items())]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self._writer.write("\r\n".join([*lines, "\r\n"]).encode("ascii") + (body or b""))
        async with asyncio.timeout(self._timeout):
            await self._writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """(status, headers with names in small letters)."""
        while True:
            version, _, rest = (await self._line()).partition(" ")
            if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
                raise Broken("not an HTTP answer")
            headers: dict[str, str] = {}
            while line := await self._line():
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            if int(rest[:3]) >= 200:
                self.usable = headers.get("connection", "").lower() != "close"
                return int(rest[:3]), headers

    async def answer(self, status: int, headers: Mapping[str, str]) -> Answer:
        """The answer as a whole; what has neither a length nor chunks may have been cut off."""
        sized = "content-length" in headers or headers.get("transfer-encoding", "").lower() == "chunked"
        content = b"".join([piece async for piece in self.body(headers)])
        return Answer(status, headers, content, whole=sized)

    async def body(self, headers: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """The content in pieces. Raises `Broken` when it ends too early."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await self._line()).partition(";")[0], 16):
                yield await self._exactly(size)
                await self._exactly(2)
            while await self._line():
                continue
        elif "content-length" in headers:
            yield await self._exactly(int(headers["content-length"]))
        else:
            self.usable = False
            while piece := await self._some():
                yield piece

    async def close(self) -> None:
        self._writer.transport.abort()

    async def _line(self) -> str:
        async with asyncio.timeout(self._timeout):
            try:
                line = await self._reader.readuntil(b"\r\n")
            except asyncio.IncompleteReadError as early:
                raise Broken("the connection ended") from early
            except asyncio.LimitOverrunError as long:
                raise Broken("a line without end") from long
        return line[:-2].decode("latin-1")

    async def _exactly(self, size: int) -> bytes:
        async with asyncio.timeout(self._timeout):
            try:
                return await self._reader.readexactly(size)
            except asyncio.IncompleteReadError as early:
                raise Broken("the connection ended") from early

    async def _some(self) -> bytes:
        async with asyncio.timeout(self._timeout):
            return await self._reader.read(65536)


async def lines(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Whole lines; what is cut off is not one."""
    held = b""
    async for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
