"""A time server asked by SNTP (RFC 4330, RFC 5905): one packet out, one in, everything checked."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import struct
import time
from collections.abc import Callable

from kaipiao.authority.transport.resolve import Resolver
from kaipiao.issuing.clock_gate import Reading

PORT = 123
PATIENCE = 2.0  # seconds
_PACKET = struct.Struct(">BBbb11I")  # 48 bytes
_SINCE_1900 = 2_208_988_800  # seconds from 1900 to 1970
_FRACTION = 2.0**32
_CLIENT, _SERVER = 3, 4  # modes
_LEAST_ROOM = 0.001  # seconds: what two machines cannot know of each other


class TimeServer:
    """`address`: host or host:port, IPv6 in brackets. `now`: seconds since 1970 of the clock that is judged."""

    def __init__(self, address: str, now: Callable[[], float] = time.time) -> None:
        self.name = f"ntp:{address}"
        self._host, self._port = _parse(address)
        self._now = now
        self._names = Resolver()  # in threads of its own: a name server that hangs takes none from issuing

    async def read(self) -> Reading | None:
        """None when it does not answer in time, or not with something that a sound server would say."""
        answer: asyncio.Future[tuple[bytes, float]] = asyncio.get_running_loop().create_future()
        cookie = secrets.token_bytes(8)
        try:
            transport = await asyncio.wait_for(self._reached(_Waiter(answer, cookie, self._now)), PATIENCE)
        except (OSError, TimeoutError):
            return None
        try:
            sent = self._now()
            transport.sendto(_PACKET.pack((4 << 3) | _CLIENT, 0, 0, 0, *[0] * 9, *struct.unpack(">2I", cookie)))
            packet, received = await asyncio.wait_for(answer, PATIENCE)
        except (OSError, TimeoutError):
            return None
        finally:
            transport.close()
        return reading(self.name, packet, sent, received)

    async def _reached(self, waiter: _Waiter) -> asyncio.DatagramTransport:
        """A socket for the first address that there is a way to. Raises `OSError`."""
        last = OSError("no address")
        for address in await self._names.addresses(self._host, self._port):
            try:
                transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: waiter, remote_addr=address.sockaddr[:2]
                )
            except OSError as error:
                last = error
            else:
                return transport
        raise last


class _Waiter(asyncio.DatagramProtocol):
    """Takes the first packet that gives our cookie back: anybody may send one."""

    def __init__(self, answer: asyncio.Future[tuple[bytes, float]], cookie: bytes, now: Callable[[], float]) -> None:
        self._answer = answer
        self._cookie = cookie
        self._now = now

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._answer.done() and len(data) >= _PACKET.size and data[24:32] == self._cookie:
            self._answer.set_result((data[: _PACKET.size], self._now()))

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


def reading(name: str, packet: bytes, sent: float, received: float) -> Reading | None:
    """What a packet of 48 bytes says. `sent`, `received`: seconds since 1970 by our clock. None for one that is not sound:
    wrong mode, not synchronised, kiss-of-death, times that cannot be."""
    first, stratum, _, _, delay, dispersion, *words = _PACKET.unpack(packet)
    leap, version, mode = first >> 6, (first >> 3) & 7, first & 7
    if leap == 3 or version not in (3, 4) or mode != _SERVER or not 1 <= stratum <= 15:
        return None
    arrived, left = (_seconds(*words[at : at + 2], near=received) for at in (5, 7))
    round_trip = (received - sent) - (left - arrived)
    if not words[7] or left < arrived or round_trip < -_LEAST_ROOM or received < sent:
        return None
    ahead = ((sent - arrived) + (received - left)) / 2
    root = delay / 65536 / 2 + dispersion / 65536
    room = max(_LEAST_ROOM, round_trip / 2) + root
    return Reading(name, ahead - room, ahead + room)


def _seconds(whole: int, fraction: int, *, near: float) -> float:
    """Since 1970. The era (they are 136 years long) is the one next to our own clock's."""
    value = whole + fraction / _FRACTION - _SINCE_1900
    return value + round((near - value) / _FRACTION) * _FRACTION


def _parse(address: str) -> tuple[str, int]:
    """Raises ValueError for what is no host with an optional port."""
    if address.startswith("["):
        host, end, rest = address[1:].partition("]")
        ipaddress.IPv6Address(host if end else "")
        port = rest.removeprefix(":")
    elif address.count(":") > 1:
        ipaddress.IPv6Address(address)
        host, port = address, ""
    else:
        host, _, port = address.partition(":")
    number = int(port) if port else PORT
    if not host or not 0 < number < 65536:
        raise ValueError(f"not a host with a port: {address!r}")
    return host, number
