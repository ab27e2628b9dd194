"""One call over the wire, told phase by phase. It never retries and never raises for what the network did."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

import h11
import httpcore2

from kaipiao.authority.channel import Phase, Timeline
from kaipiao.authority.transport import resolve
from kaipiao.authority.transport.backend import WireBackend
from kaipiao.authority.transport.failure import Failure
from kaipiao.authority.transport.p256 import P256
from kaipiao.authority.transport.profile import TlsProfile
from kaipiao.authority.transport.record import CURRENT, Record
from kaipiao.authority.transport.settings import Limits, Timeouts, TlsSettings
from kaipiao.authority.transport.unpack import Bomb, NotPacked, gunzip
from kaipiao.errors import SettingsFault
from kaipiao.language import Text

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reply:
    """Either a whole answer (`failure` is None) or a failure; a status that came before the failure is kept.
    Header names are in lower case; `body` is unpacked."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes
    timeline: Timeline
    failure: Failure | None


class Transport:
    """A pool of HTTP/1.1 connections over TLS. Belongs to one event loop.

    A kept connection that the far side closed while it was idle is replaced before anything of a request is bound to
    it. If it dies between that check and the first byte, the call fails as `write.closed_before` with nothing sent:
    sending again is the caller's decision, here as everywhere.
    """

    def __init__(
        self,
        tls: TlsSettings,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        *,
        lookup: resolve.Lookup = resolve.system_lookup,
        names: resolve.Names | None = None,
    ) -> None:
        """`names`: where addresses come from, instead of `lookup`."""
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or Limits()
        backend = WireBackend(profile(tls), names or resolve.Resolver(lookup), self._limits.tcp_keep_alive)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # not used: TLS is the backend's own
            max_connections=self._limits.connections,
            keepalive_expiry=self._limits.keep_alive,
            network_backend=backend,
        )

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send once. Raises `SettingsFault` for an address that is not https, nothing else."""
        return await self._exchange("POST", url, headers, body)

    async def get(self, url: str, headers: Mapping[str, str] = _NO_HEADERS) -> Reply:
        """Ask once. See `post`."""
        return await self._exchange("GET", url, headers, None)

    async def close(self) -> None:
        await self._pool.aclose()

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        request = _request(method, url, headers, body, self._timeouts.queue)
        record = Record(self._timeouts)
        token = CURRENT.set(record)
        status, received, content = None, _NO_HEADERS, b""
        try:
            response = await self._pool.handle_async_request(request)
            try:
                status, received = response.status, _named(response.headers)
                record.dated(received.get("date"))
                content = await self._body(response, record)
            finally:
                await response.aclose()
            content = self._decoded(received, content, record)
        except (
            httpcore2.TimeoutException,
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.ConnectionNotAvailable,
            _Refused,
        ) as error:
            _note(record, error)
            return Reply(status, received, b"", record.timeline(), record.failure)
        finally:
            CURRENT.reset(token)
        record.finish()
        return Reply(status, received, content, record.timeline(), None)

    async def _body(self, response: httpcore2.Response, record: Record) -> bytes:
        if sum(len(name) + len(value) + 4 for name, value in response.headers) > self._limits.header_bytes:
            raise _refused(record, "answer.header_too_large")
        content = bytearray()
        async with aclosing(response.aiter_stream()) as chunks:
            async for chunk in chunks:
                content += chunk
                if len(content) > self._limits.body_bytes:
                    raise _refused(record, "answer.too_large")
        return bytes(content)

    def _decoded(self, headers: Mapping[str, str], content: bytes, record: Record) -> bytes:
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding in ("", "identity") or not content:
            return content
        if encoding not in ("gzip", "x-gzip"):
            raise _refused(record, "answer.unknown_encoding", encoding[:40])
        try:
            return gunzip(content, self._limits.decoded_bytes)
        except Bomb as error:
            raise _refused(record, "answer.bomb") from error
        except NotPacked as error:
            raise _refused(record, "answer.bad_encoding") from error


class _Refused(Exception):
    """We will not use this answer; the record says why."""


def profile(tls: TlsSettings) -> TlsProfile:
    """The profile that the settings name. Raises `SettingsFault`."""
    if tls.profile != P256.name:
        raise SettingsFault(Text(f"没有 TLS 方案 {tls.profile}。", f"There is no TLS profile {tls.profile}."))
    return P256(tls)


def _request(method: str, url: str, headers: Mapping[str, str], body: bytes | None, queue: float) -> httpcore2.Request:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise SettingsFault(Text("地址必须以 https:// 开头。", "The address must begin with https://."), url=url[:200])
    fields = {"Host": parts.netloc.rpartition("@")[2], **headers, "Accept-Encoding": "gzip"}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    return httpcore2.Request(
        method, url, headers=list(fields.items()), content=body, extensions={"timeout": {"pool": queue}}
    )


def _named(headers: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    named: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        named[name] = f"{named[name]}, {value}" if name in named else value
    return named


def _refused(record: Record, cause: str, detail: str | None = None) -> _Refused:
    record.fail(cause, detail)
    return _Refused(cause)


def _note(record: Record, error: Exception) -> None:
    """Find the cause of a failure that the stream has not named itself."""
    if isinstance(error, httpcore2.PoolTimeout):
        record.fail("queue.timeout")
    elif isinstance(error, httpcore2.LocalProtocolError):
        record.fail("write.failed", "not a request that HTTP allows")
    elif isinstance(error, httpcore2.RemoteProtocolError) and not record.ended:
        reason = error.args[0] if error.args else None
        too_long = isinstance(reason, h11.RemoteProtocolError) and reason.error_status_hint == 431
        record.fail("answer.header_too_large" if too_long else "answer.malformed")
    else:
        record.fail("answer.cut" if record.phase is Phase.ANSWER else "wait.closed")
