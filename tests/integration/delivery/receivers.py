"""Local receivers of messages: they keep what they were sent, and answer as they are told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b'{"errcode":0,"errmsg":"ok","code":0,"msg":"success","data":{}}'


def answer(body: bytes = OK, status: str = "200 OK", **headers: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`say`: what to answer the request of this place, as bytes; None: nothing, for ever."""

    port: int = 0
    got: list[Received] = field(default_factory=list)
    say: Callable[[int], bytes | None] = lambda place: answer()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.got.append(Received(head[0].split(" ")[1], headers, body))
            said = self.say(len(self.got))
            if said is None:
                await reader.read()
            else:
                writer.write(said)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver(
    say: Callable[[int], bytes | None] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    made = Receiver()
    if say is not None:
        made.say = say
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await asyncio.sleep(0)
