"""Raw socket servers on loopback, one thread a connection: each is a function that gets the accepted socket."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

Handler = Callable[[socket.socket], None]


class Server:
    """Accepts at `address` and runs `handler` for each connection. A handler that fails fails the test at the end."""

    def __init__(self, handler: Handler, backlog: int = 50, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.connections = 0
        self.errors: list[BaseException] = []
        self._handler = handler
        self._listener = socket.create_server(address, backlog=backlog)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}/access"
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        if error is None:
            assert self.errors == []

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(partial(self._serve, sock))

    def _serve(self, sock: socket.socket) -> None:
        # TLS takes over the descriptor, so the test's end needs one of its own to wake the handler.
        with sock, sock.dup() as handle:
            self._open.add(handle)
            sock.settimeout(10)
            try:
                self._handler(sock)
            except (ConnectionError, ssl.SSLError, TimeoutError):
                return  # the client went away: its side is what the test looks at
            except BaseException as error:
                self.errors.append(error)
            finally:
                self._open.discard(handle)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()


def reset(sock: socket.socket) -> None:
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_request(sock: socket.socket) -> tuple[bytes, bytes]:
    """Header and body of one HTTP/1.1 request with Content-Length; both empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        if not chunk:
            return b"", b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        chunk = sock.recv(65536)
        if not chunk:
            break
        body += chunk
    return head, body


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class RawTls:
    """Server-side TLS over memory buffers, so that the raw bytes after the handshake can be counted."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self.incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self._outgoing, server_side=True)
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self.incoming.write(sock.recv(65536))
            else:
                self._flush()
                return

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.sock.sendall(self._outgoing.read())

    def count_to_end(self) -> int:
        """Bytes that came after the handshake, up to the end of the connection."""
        count = self.incoming.pending
        while chunk := self.sock.recv(1 << 20):
            count += len(chunk)
        return count
