"""Where connections come in: how many there may be, how many of one source, how many TLS handshakes at a time.

It accepts by itself, so that what comes beyond a limit gets an answer at once and is gone, instead of waiting for ever in a
queue of the kernel; and so that an open-file limit that is reached costs a pause, not a loop that spins.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import ssl
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)
ACCEPTED_AT_ONCE = 64  # then everything else has its turn
PAUSE_SECONDS = 0.5  # without open files or memory, before it is tried again
REFUSED_KEPT = 128  # refused connections that are held open for a moment, so that their answer is read
REFUSED_SECONDS = 1.0
SHUTDOWN_SECONDS = 5.0  # of TLS
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
KEEPALIVE_SECONDS = 60  # without a byte, then the kernel asks whether the other end is there (P32)


@dataclass(frozen=True, slots=True)
class Door:
    """`connections_max`: open at a time. `source_share` of them for one source address. `handshakes_max`, `handshake_s`:
    TLS handshakes under way, and the seconds of each."""

    connections_max: int = 12_000
    source_share: float = 0.9
    handshakes_max: int = 256
    handshake_s: float = 10.0

    @property
    def of_one_source(self) -> int:
        return max(1, int(self.connections_max * self.source_share))


class Entrance:
    """Accepts on one listening socket. `make` gives a protocol that calls what it is given when its connection is lost.
    `refusal`: what is sent, in plain HTTP, to whom is refused. `refused` is told why: `full`, `source`, `handshakes`,
    `files`."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[Callable[[], None]], asyncio.Protocol],
        door: Door,
        secure: ssl.SSLContext | None,
        refusal: bytes,
        refused: Callable[[str], None],
    ) -> None:
        self._listener = listener
        self._make = make
        self._door = door
        self._secure = secure
        self._refusal = refusal
        self._refused = refused
        self._sources: Counter[str] = Counter()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._leaving: deque[socket.socket] = deque()
        self._pausing: asyncio.TimerHandle | None = None
        self.connections = 0

    @property
    def handshakes(self) -> int:
        return len(self._handshakes)

    def open(self) -> None:
        self._listener.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """No more connections; those that are open stay."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
        if self._pausing is not None:
            self._pausing.cancel()
        for task in list(self._handshakes):
            task.cancel()
        while self._leaving:
            self._leaving.popleft().close()

    async def wait_closed(self) -> None:
        """Until no handshake is under way. uvicorn asks it of each of its servers when it shuts down."""
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as failed:
                self._failed(failed)
                return
            self._greet(connection, source_of(str(address[0])))

    def _failed(self, failed: OSError) -> None:
        if failed.errno not in EXHAUSTED:
            raise failed
        log.error("no connection can be accepted", extra={"errno": errno.errorcode.get(failed.errno or 0)})
        self._refused("files")
        self._loop.remove_reader(self._listener.fileno())
        self._pausing = self._loop.call_later(PAUSE_SECONDS, self.open)

    def _greet(self, connection: socket.socket, source: str) -> None:
        if (why := self._reason_against(source)) is not None:
            self._refused(why)
            self._send_away(connection)
            return
        connection.setblocking(False)
        self.connections += 1
        self._sources[source] += 1
        task = self._loop.create_task(self._take(connection, source))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    def _reason_against(self, source: str) -> str | None:
        if self.connections >= self._door.connections_max:
            return "full"
        if self._sources[source] >= self._door.of_one_source:
            return "source"
        if self._secure is not None and self.handshakes >= self._door.handshakes_max:
            return "handshakes"
        return None

    async def _take(self, connection: socket.socket, source: str) -> None:
        """To the protocol, after the handshake where there is one; a handshake that fails concerns nobody here."""
        _watch(connection)
        leave = _Once(lambda: self._left(source))
        protocol = self._make(leave)
        try:
            if self._secure is None:
                await self._loop.connect_accepted_socket(lambda: protocol, connection)
            else:
                await self._loop.connect_accepted_socket(
                    lambda: protocol,
                    connection,
                    ssl=self._secure,
                    ssl_handshake_timeout=self._door.handshake_s,
                    ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                )
        except (OSError, asyncio.CancelledError):  # ssl.SSLError is an OSError
            leave()

    def _left(self, source: str) -> None:
        self.connections -= 1
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]

    def _send_away(self, connection: socket.socket) -> None:
        """With the answer and an end; TLS is not begun for it. It is held for a moment: closed at once with something unread,
        the kernel would take the answer back."""
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            if self._secure is None:
                connection.send(self._refusal)
            connection.shutdown(socket.SHUT_WR)
        self._leaving.append(connection)
        if len(self._leaving) > REFUSED_KEPT:
            self._leaving.popleft().close()
        self._loop.call_later(REFUSED_SECONDS, connection.close)


class _Once:
    """Does it the first time it is called."""

    __slots__ = ("_do",)

    def __init__(self, do: Callable[[], None]) -> None:
        self._do: Callable[[], None] | None = do

    def __call__(self) -> None:
        if self._do is not None:
            do, self._do = self._do, None
            do()


def source_of(address: str) -> str:
    """Whose share a connection is of: an IPv4 address, the /64 of an IPv6 one, which is what one customer has."""
    if ":" not in address:
        return address
    place = ipaddress.IPv6Address(address.partition("%")[0])
    return str(place.ipv4_mapped or ipaddress.IPv6Network((int(place) >> 64 << 64, 64)))


def _watch(connection: socket.socket) -> None:
    """A peer that vanished without a word is noticed by the kernel."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
