"""Names to addresses, in a thread of its own for each name that is being looked up.

A look-up cannot be cancelled, so all that ask for one name meanwhile share it: hundreds of cancelled calls leave one
thread behind, and the event loop's own threads are never used up by a name server that does not answer.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from kaipiao.authority.transport.names import as_address

SocketAddress = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """`stale`: the last one that was known to be good, because no name server answers now."""

    family: int
    sockaddr: SocketAddress
    stale: bool = False

    @property
    def ip(self) -> str:
        return str(self.sockaddr[0])


class Names(Protocol):
    """Where addresses come from."""

    async def addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        """Within `seconds` if possible. Raises OSError."""
        ...

    def distrust(self, host: str, ip: str) -> bool:
        """Nobody answers there as the host. True when asking again may give another address."""
        ...

    def proved(self, host: str, ip: str) -> None:
        """A certificate of the host was shown there."""
        ...


Lookup = Callable[[str, int], list[Address]]


def address_of(ip: str, port: int, *, stale: bool = False) -> Address:
    return Address(socket.AF_INET6 if ":" in ip else socket.AF_INET, (ip, port), stale)


_CAUSES = {
    socket.EAI_NONAME: "resolve.no_such_name",
    getattr(socket, "EAI_NODATA", -5): "resolve.no_address",
    socket.EAI_AGAIN: "resolve.unavailable",
}


def cause_of(error: OSError) -> str:
    """The cause code for an error of a look-up."""
    return _CAUSES.get(error.errno or 0, "resolve.failed")


def system_lookup(host: str, port: int) -> list[Address]:
    """The system's resolver. Blocks; raises `socket.gaierror`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]


class Resolver:
    """Shares running look-ups. Belongs to one event loop."""

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup
        self._running: dict[tuple[str, int], asyncio.Future[list[Address]]] = {}

    async def addresses(self, host: str, port: int, seconds: float = 0.0) -> list[Address]:
        """All addresses of the host, in the resolver's order. Raises OSError. Whoever asks bounds its own patience."""
        literal = as_address(host)
        if literal is not None:
            return [address_of(str(literal), port)]
        key = (host, port)
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = self._start(key)
        await asyncio.wait([running])  # unlike awaiting it, this leaves it running when we are cancelled
        return running.result()

    def distrust(self, host: str, ip: str) -> bool:
        return False

    def proved(self, host: str, ip: str) -> None:
        return None

    def _start(self, key: tuple[str, int]) -> asyncio.Future[list[Address]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Address]] = loop.create_future()
        future.add_done_callback(lambda done: self._forget(key, done))

        def deliver(result: list[Address] | OSError) -> None:
            if isinstance(result, OSError):
                future.set_exception(result)
            else:
                future.set_result(result)

        def work() -> None:
            result: list[Address] | OSError
            try:
                result = self._lookup(*key)
            except (OSError, UnicodeError) as error:
                result = error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, "not a host name")
            try:
                loop.call_soon_threadsafe(deliver, result)
            except RuntimeError:
                return  # the loop was closed meanwhile: nobody is left to tell

        threading.Thread(target=work, name="kaipiao-resolve", daemon=True).start()
        return future

    def _forget(self, key: tuple[str, int], done: asyncio.Future[list[Address]]) -> None:
        self._running.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen, even if all that asked have gone
