"""The network backend that httpcore2 is given: resolves and connects itself, and stamps both."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable
from typing import Any

import httpcore2

from kaipiao.authority.channel import Phase
from kaipiao.authority.transport import resolve
from kaipiao.authority.transport.profile import TlsProfile
from kaipiao.authority.transport.readiness import Readiness, connect
from kaipiao.authority.transport.record import CURRENT, Record
from kaipiao.authority.transport.stream import WireStream

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}


class WireBackend(httpcore2.AsyncNetworkBackend):
    """`keep_alive`: seconds of silence before TCP asks whether the far side is there."""

    def __init__(self, profile: TlsProfile, resolver: resolve.Resolver, keep_alive: int) -> None:
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
        record = CURRENT.get()
        addresses = await self._resolve(host, port, record)
        ready, peer = await self._connect(addresses, record)
        record.peer = peer
        return WireStream(ready, self._profile, peer)

    async def _resolve(self, host: str, port: int, record: Record) -> list[resolve.Address]:
        record.enter(Phase.RESOLVE)
        try:
            async with asyncio.timeout(record.left()):
                addresses = await self._resolver.addresses(host, port)
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

    async def _connect(self, addresses: list[resolve.Address], record: Record) -> tuple[Readiness, str]:
        """The addresses in turn, each with an equal share of the time that is left; the last failure is reported."""
        record.enter(Phase.CONNECT)
        last: OSError = OSError("no address")
        for tried, address in enumerate(addresses):
            try:
                ready = await connect(address, record.left() / (len(addresses) - tried), self._keep_alive)
            except OSError as error:
                last, record.peer = error, _shown(address)
                continue
            return ready, _shown(address)
        raise _connect_failed(record, last) from last


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
