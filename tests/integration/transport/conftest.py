"""Certificates, contexts and both event loops for the contract tests of the transport."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from kaipiao.authority.transport import Limits, Timeouts, TlsSettings

from .pki import Authority

T = TypeVar("T")

SHORT = Timeouts(resolve=0.4, connect=0.4, handshake=0.4, write=0.5, wait=0.4, answer=0.5, queue=0.4)
SMALL = Limits(header_bytes=8192, body_bytes=200_000, decoded_bytes=500_000, connections=4)


@dataclass(frozen=True)
class Pki:
    authority: Authority
    stranger: Authority
    server: tuple[Path, Path]
    client: tuple[Path, Path]

    def context(
        self, pair: tuple[Path, Path] | None = None, *, demand: bool = False, version: ssl.TLSVersion | None = None
    ) -> ssl.SSLContext:
        """A server's context; `demand` asks for a client certificate of our authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(pair or self.server))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if demand:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority.file)
        return context

    def tls(self, *, client: tuple[Path, Path] | None = None) -> TlsSettings:
        certificate, key = client or (None, None)
        return TlsSettings(self.authority.file, certificate, key)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    authority, stranger = Authority(folder, "ours"), Authority(folder, "stranger")
    return Pki(
        authority,
        stranger,
        authority.leaf("server", hosts=("127.0.0.1", "localhost")),
        authority.leaf("client"),
    )


Run = Callable[[Coroutine[Any, Any, T]], T]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Runs a coroutine on a loop of either kind."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner.run
