"""A server that answers as a test says, one script entry for each request."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# A request's body to the bytes that are sent; None: nothing, and the line is cut. A number: so many bytes of the request
# are read, then the line is cut.
Reply = Callable[[bytes], bytes | None] | int


class Cut(bytes):
    """An answer after which the line is cut, whether it is whole or not."""


@dataclass
class Seen:
    url: str = ""
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


def answer(status: int, body: object = None, **headers: str) -> bytes:
    content = json.dumps(body or {}).encode()
    extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n{extra}\r\n".encode() + content


def issued(body: bytes, status: int = 201, **headers: str) -> bytes:
    return answer(status, invoice(json.loads(body)["order"]), **headers)


def invoice(order: str) -> dict[str, str]:
    made_at = "2026-11-03T09:00:00.000+08:00"
    money = {"amount": "100.00", "tax": "6.00", "total": "106.00"}
    return {"order": order, "number": "26117000000000000001", "kind": "general", "made_at": made_at, **money}


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + (b"0\r\n\r\n" if end else b"")


@contextmanager
def server(*script: Reply) -> Iterator[Seen]:
    seen, left = Seen(), list(script)
    listener = socket.create_server(("127.0.0.1", 0))
    seen.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                while left:
                    if isinstance(left[0], int):
                        stream.read(left[0])
                        del left[0]
                        break
                    head = _head(stream)
                    if not head:
                        break
                    length = next((int(h.split(":")[1]) for h in head if h.lower().startswith("content-length:")), 0)
                    body = stream.read(length)
                    seen.heads.append("\n".join(head))
                    seen.bodies.append(body)
                    answering = left.pop(0)
                    assert not isinstance(answering, int)
                    reply = answering(body)
                    if reply is None:
                        break
                    connection.sendall(reply)
                    if isinstance(reply, Cut) or b"X-Cut" in reply:
                        break
                    if b"Transfer-Encoding" in reply[:100] and not reply.endswith(b"0\r\n\r\n"):
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def _head(stream: Iterator[bytes]) -> list[str]:
    lines = []
    for line in stream:
        if line == b"\r\n":
            break
        lines.append(line.decode().rstrip())
    return lines
