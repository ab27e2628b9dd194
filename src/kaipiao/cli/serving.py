"""A platform with its HTTP server, in this process; and the file by which others find it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kaipiao.cli import files
from kaipiao.cli.api import Api
from kaipiao.cli.entrance import Door
from kaipiao.cli.stand_in import lookable
from kaipiao.errors import DirectoryInUse, KaipiaoError
from kaipiao.seal import durable
from kaipiao.settings import ServerSettings, Settings, load

log = logging.getLogger(__name__)
SERVER_FILE = "server.json"
BACKLOG = 4096  # connections that the kernel holds until they are accepted


async def serve(
    directory: Path,
    settings: Settings,
    ready: Callable[[str], None],
    stop: asyncio.Event | None,
    *,
    issuing: bool = True,
) -> None:
    """Run until a signal, or until `stop` is set. `ready` is told the URL. Raises `KaipiaoError` when it cannot start."""
    from kaipiao.app import Platform
    from kaipiao.cli.http_server import http_server

    platform = Platform(directory, settings)
    secure = _tls(directory, settings)
    application = await platform.start(issuing=issuing)
    try:
        door = _door(settings.server)
        context = None if secure is None else secure.context
        server = http_server(application, context, settings.server, door)
        listener = _listen(settings)
        scheme = "http" if secure is None else "https"
        url = f"{scheme}://{_shown(settings.server.host)}:{listener.getsockname()[1]}"
        _announce(directory, url, secure)
        ready(url)
        with _told_to_stop(server, stop):
            await server.serve(sockets=[listener])
    finally:
        (directory / SERVER_FILE).unlink(missing_ok=True)
        await platform.stop()


@dataclass(frozen=True, slots=True)
class _Secure:
    context: ssl.SSLContext
    fingerprint: str  # of the certificate, for commands on this machine


def _tls(directory: Path, settings: Settings) -> _Secure | None:
    """Raises `SettingsFault` before anything has started; a certificate out of its time is only told."""
    from kaipiao.cli import tls

    if settings.server.tls_certificate is None or settings.server.tls_key is None:
        return None
    certificate, key = (directory / name for name in (settings.server.tls_certificate, settings.server.tls_key))
    secure = _Secure(tls.server_context(certificate, key), tls.fingerprint(certificate))
    if (doubt := tls.doubt(certificate, datetime.now(UTC))) is not None:
        log.warning("%s / %s", doubt.detail.zh, doubt.detail.en, extra={"code": doubt.code})
    return secure


def _door(settings: ServerSettings) -> Door:
    """As the settings say, and as many connections as this process may have files."""
    wanted = settings.connections_max
    possible = files.raise_limit(wanted + files.OTHERS) - files.OTHERS
    if possible < wanted:
        fault = files.too_few(wanted, possible)
        log.warning("%s / %s", fault.detail.zh, fault.detail.en, extra={"code": fault.code})
    return Door(max(1, min(wanted, possible)), settings.source_share, settings.handshakes_max, settings.handshake_s)


@contextmanager
def _told_to_stop(server: Any, stop: asyncio.Event | None) -> Iterator[None]:
    """By SIGTERM or Ctrl-C in the main thread, or by the event."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True

    async def watch(event: asyncio.Event) -> None:
        await event.wait()
        end()

    watcher = asyncio.create_task(watch(stop)) if stop is not None else None
    signals = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
    for number in signals:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
        if watcher is not None:
            watcher.cancel()


def _listen(settings: Settings) -> socket.socket:
    asked = (settings.server.host, settings.server.port)
    family, kind, protocol, _, address = socket.getaddrinfo(*asked, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(BACKLOG)  # whoever is told the URL may call at once
    return listener


def _shown(host: str) -> str:
    """Where a command on this machine reaches it: a server on every address is on loopback too."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (recognised, not bound)
    return f"[{host}]" if ":" in host else host


def _announce(directory: Path, url: str, secure: _Secure | None) -> None:
    certificate = {} if secure is None else {"certificate_sha256": secure.fingerprint}
    told = {"url": url, "pid": os.getpid(), **certificate}
    durable.replace(directory / SERVER_FILE, json.dumps(told).encode("utf-8"))


def running(directory: Path) -> tuple[str, str | None] | None:
    """Where the server of this data directory says it is, and the fingerprint of its certificate."""
    try:
        told = json.loads((directory / SERVER_FILE).read_text(encoding="utf-8"))
        url, certificate = told["url"], told.get("certificate_sha256")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return str(url), None if certificate is None else str(certificate)


def local_token(directory: Path, settings: Settings, role: str, minutes: int = 60) -> str:
    """A token for whoever holds the data directory's keys."""
    from kaipiao.access.keys import tokens_of
    from kaipiao.access.tokens import ANY

    return tokens_of(directory, settings).make("local", role, (ANY,), timedelta(minutes=minutes))


@contextmanager
def platform_api(directory: Path, *, issuing: bool = False) -> Iterator[Api]:
    """The API of this data directory: of the server that runs on it, else of one started here for the time being, which
    issues and uploads only when asked to."""
    settings = load(directory)
    token = local_token(directory, settings, "admin")
    with ExitStack() as held:
        try:
            place = directory if issuing else held.enter_context(lookable(directory))
            url, certificate = held.enter_context(_embedded(place, settings, issuing)), None
        except DirectoryInUse:
            found = running(directory)
            if found is None:
                raise
            url, certificate = found
        yield held.enter_context(closing(Api(url, token, certificate)))


@contextmanager
def _embedded(directory: Path, settings: Settings, issuing: bool) -> Iterator[str]:
    """The URL of a server in this process."""
    embedded = _Embedded(directory, settings, issuing)
    url = embedded.start()
    try:
        yield url
    finally:
        embedded.stop()


class _Embedded:
    """A server in a thread of this process, on a free port of loopback."""

    def __init__(self, directory: Path, settings: Settings, issuing: bool) -> None:
        self._issuing = issuing
        here = {"host": "127.0.0.1", "port": 0, "tls_certificate": None, "tls_key": None}
        own_port = settings.server.model_copy(update=here)
        self._settings = settings.model_copy(update={"server": own_port})
        self._directory = directory
        self._ready = threading.Event()
        self._url = ""
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="platform")

    def start(self) -> str:
        logging.getLogger().addHandler(logging.NullHandler())  # a command speaks for itself
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self._url

    def stop(self) -> None:
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (KaipiaoError, OSError) as failure:
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await serve(self._directory, self._settings, self._started, self._stop, issuing=self._issuing)

    def _started(self, url: str) -> None:
        self._url = url
        self._ready.set()
