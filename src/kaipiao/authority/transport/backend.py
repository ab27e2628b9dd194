"""The network backend that httpcore2 is given: resolves and connects itself, and stamps both."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2

from kaipiao.authority.channel import Phase
from kaipiao.authority.transport import resolve
from kaipiao.authority.transport.connecting import connect_any
from kaipiao.authority.transport.failure import Failure
from kaipiao.authority.transport.profile import TlsProfile
from kaipiao.authority.transport.readiness import Readiness
from kaipiao.authority.transport.record import CURRENT, Record
from kaipiao.authority.transport.stream import WireStream

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
_ROUNDS = 4  # as many as there may be groups of name servers (P38): one that never runs out of addresses is no reason to go on
_UNUSED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # of httpcore2's signature: TLS is the profile's


class WireBackend(httpcore2.AsyncNetworkBackend):
    """`keep_alive`: seconds of silence before TCP asks whether the far side is there."""

    def __init__(self, profile: TlsProfile, resolver: resolve.Names, keep_alive: int) -> None:
        self._profile = profile
        self._resolver = resolver
        self._keep_alive = keep_alive

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's; ours come from the record
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connected and with TLS verified. An address where somebody else answers, or nobody, is passed over for the next one,
        of this or of the next group of name servers: nothing of the request has been sent yet."""
        record = CURRENT.get()
        tried: set[str] = set()
        failed: tuple[Failure, Exception] | None = None
        for _ in range(_ROUNDS):
            fresh = await self._untried(host, port, tried, record, first=failed is None)
            if not fresh:
                break
            try:
                return await self._reach(host, fresh, tried, record)
            except httpcore2.ConnectError as error:
                assert record.failure is not None
                failed = (record.failure, error)
                if not _elsewhere(record.failure) or not self._distrust(host, tried):
                    break
                record.failure = None
        assert failed is not None
        if record.phase is not failed[0].phase:
            record.enter(failed[0].phase)  # where it ended; nothing better was found since
        record.failure = failed[0]
        raise failed[1]

    async def _untried(
        self, host: str, port: int, tried: set[str], record: Record, *, first: bool
    ) -> list[resolve.Address]:
        """Addresses that this call has not tried. Only the first time it is a failure that there are none."""
        try:
            addresses = await self._resolve(host, port, record)
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
            if first:
                raise
            return []
        return [address for address in addresses if address.ip not in tried]

    async def _reach(
        self, host: str, addresses: list[resolve.Address], tried: set[str], record: Record
    ) -> httpcore2.AsyncNetworkStream:
        """The first address that is connected and shows the host's certificate. Raises the last failure."""
        left = list(addresses)
        while True:
            ready, address = await self._connect(left, tried, record)
            left.remove(address)
            record.peer, record.stale = _shown(address), address.stale
            stream = WireStream(ready, self._profile, record.peer)
            try:
                await stream.start_tls(_UNUSED, server_hostname=host)
            except httpcore2.ConnectError:
                assert record.failure is not None
                if not left or not _elsewhere(record.failure):
                    raise
                record.failure = None
                continue
            self._resolver.proved(host, address.ip)
            return stream

    def _distrust(self, host: str, tried: set[str]) -> bool:
        """True when asking for the name again may give another address."""
        more = [self._resolver.distrust(host, ip) for ip in tried]
        return any(more)

    async def _resolve(self, host: str, port: int, record: Record) -> list[resolve.Address]:
        record.enter(Phase.RESOLVE)
        try:
            async with asyncio.timeout(record.left()):
                addresses = await self._resolver.addresses(host, port, record.left())
        except TimeoutError as error:
            record.fail("resolve.timeout", host)
            raise httpcore2.ConnectTimeout from error
        except OSError as error:
            record.fail(resolve.cause_of(error), host)
            raise httpcore2.ConnectError(str(error)) from error
        if not addresses:
            record.fail("resolve.no_address", host)
            raise httpcore2.ConnectError("no address")
        return addresses

    async def _connect(
        self, addresses: list[resolve.Address], tried: set[str], record: Record
    ) -> tuple[Readiness, resolve.Address]:
        """One of the addresses; all that had their chance are `tried`. The last failure is reported."""
        record.enter(Phase.CONNECT)
        record.peer = _shown(addresses[-1])
        try:
            ready, address = await connect_any(addresses, record.left(), self._keep_alive)
        except OSError as error:
            tried.update(address.ip for address in addresses)
            raise _connect_failed(record, error) from error
        tried.add(address.ip)
        return ready, address


def _elsewhere(failure: Failure) -> bool:
    """Whether another address may be the host's when this one is not. A handshake that hangs has used up the time."""
    return failure.cause.startswith(("connect.", "handshake.")) and failure.cause != "handshake.timeout"


def _connect_failed(record: Record, error: OSError) -> httpcore2.ConnectError:
    if isinstance(error, TimeoutError):
        cause = "connect.timeout"
    elif isinstance(error, ConnectionRefusedError):
        cause = "connect.refused"
    else:
        cause = "connect.unreachable" if error.errno in _UNREACHABLE else "connect.failed"
    record.fail(cause, record.peer)
    return httpcore2.ConnectError(str(error))


def _shown(address: resolve.Address) -> str:
    host, port = address.sockaddr[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
