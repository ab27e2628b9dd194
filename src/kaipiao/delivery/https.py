"""One POST, and its answer: https to where the name leads at this moment, bounded in time and size, never redirected.

The address is looked at after it was resolved and is the one that is connected to: a name that leads into our own network does
so only where the settings say that it may.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11

from kaipiao.authority.transport.resolve import Resolver
from kaipiao.errors import SettingsFault
from kaipiao.language import Text

SECONDS = 15.0  # for all of it
ANSWER = 64 * 1024  # bytes of an answer that are read
HEAD = 16 * 1024
_PIECE = 16 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """Where to. The path of a robot is its password: it shows in no repr. `internal`: may lead into a private network or to
    this machine. `names`: in threads of its own, so that a name server that hangs takes none from issuing."""

    tls: bool
    host: str
    port: int
    path: str = field(repr=False)
    internal: bool = False
    names: Resolver = field(default_factory=Resolver, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = field(repr=False)
    retry_after: float = 0.0  # seconds


@dataclass(frozen=True, slots=True)
class Unanswered:
    """`cause`: resolve, address, connect, tls.untrusted, tls, timeout, broken, answer.large."""

    cause: str


def target_of(url: str, name: str, *, internal: bool = False) -> Target:
    """Raises `SettingsFault` that names the channel and never shows the address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad(name) from None
    host = parts.hostname or ""
    ascii_only = url.isascii() and url.isprintable() and " " not in url
    if not host or not ascii_only or parts.username is not None or parts.fragment or parts.scheme not in PORTS:
        raise _bad(name)
    if parts.scheme == "http" and not (internal and _is_loopback(host)):
        raise _bad(name)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port or PORTS[parts.scheme], path, internal)


PORTS = {"https": 443, "http": 80}


def _bad(name: str) -> SettingsFault:
    return SettingsFault(
        Text(
            f"alarm.channel.{name}：地址须为 https://…（http 只用于回环且 internal = true）",
            f"alarm.channel.{name}: the address must be https://… (http for loopback only, with internal = true)",
        )
    )


class _TooLarge(Exception):
    """More than anybody has to say here."""


CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "timeout"),
    (ssl.SSLCertVerificationError, "tls.untrusted"),
    (ssl.SSLError, "tls"),
    (socket.gaierror, "resolve"),
    (UnicodeError, "resolve"),
    (ConnectionRefusedError, "connect"),
    (_TooLarge, "answer.large"),
    (Exception, "broken"),
)


async def post(
    target: Target, headers: Mapping[str, str], body: bytes, tls: ssl.SSLContext, seconds: float = SECONDS
) -> Reply | Unanswered:
    """Raises nothing but defects."""
    try:
        async with asyncio.timeout(seconds):
            address = await _address(target)
            if address is None:
                return Unanswered("address")
            return await _exchange(target, address, headers, body, tls)
    except (OSError, UnicodeError, h11.RemoteProtocolError, _TooLarge) as error:
        return Unanswered(next(cause for kind, cause in CAUSES if isinstance(error, kind)))


async def _address(target: Target) -> str | None:
    """The first address that may be connected to. Raises `socket.gaierror`."""
    found = await target.names.addresses(target.host, target.port)
    return next((one.ip for one in found if may_connect(one.ip, target.internal)), None)


def may_connect(address: str, internal: bool) -> bool:
    """Never to groups, to nowhere, or to link-local addresses, where clouds keep their secrets."""
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_multicast or found.is_unspecified or found.is_link_local:
        return False
    return internal or found.is_global


async def _exchange(
    target: Target, address: str, headers: Mapping[str, str], body: bytes, tls: ssl.SSLContext
) -> Reply:
    secure = {"ssl": tls, "server_hostname": target.host} if target.tls else {}
    reader, writer = await asyncio.open_connection(address, target.port, **secure)  # type: ignore[arg-type]
    try:
        talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD)
        head = {"Host": _host(target), "User-Agent": "Kaipiao", "Connection": "close", "Accept": "application/json"}
        given = {**head, "Content-Length": str(len(body)), **headers}
        request = h11.Request(method="POST", target=target.path, headers=list(given.items()))
        pieces = (talk.send(request), talk.send(h11.Data(body)), talk.send(h11.EndOfMessage()))
        writer.write(b"".join(piece or b"" for piece in pieces))
        await writer.drain()
        return await _answer(talk, reader)
    finally:
        writer.transport.abort()


async def _answer(talk: h11.Connection, reader: asyncio.StreamReader) -> Reply:
    status, retry_after, content, taken = 0, 0.0, b"", 0
    while True:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            piece = await reader.read(_PIECE)
            taken += len(piece)
            if taken > ANSWER + HEAD:
                raise _TooLarge
            talk.receive_data(piece)
        elif isinstance(event, h11.Response):
            status, retry_after = event.status_code, _retry_after(dict(event.headers))
        elif isinstance(event, h11.Data):
            content += bytes(event.data)
            if len(content) > ANSWER:
                raise _TooLarge
        elif isinstance(event, h11.EndOfMessage):
            return Reply(status, content, retry_after)
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError


def _host(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == PORTS["https" if target.tls else "http"] else f"{host}:{target.port}"


def _retry_after(headers: Mapping[bytes, bytes]) -> float:
    said = headers.get(b"retry-after", b"")
    return float(min(3600, int(said))) if said.isdigit() and len(said) < 10 else 0.0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
