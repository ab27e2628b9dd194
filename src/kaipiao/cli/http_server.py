"""uvicorn as this platform wants it: connections come in by our entrance, signals and patience are ours."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from kaipiao.api.door.pulse import Pulse
from kaipiao.api.services import Services
from kaipiao.cli.entrance import Door, Entrance
from kaipiao.cli.patience import Ahead, Patience, PatientProtocol, answer
from kaipiao.errors import DoorFull
from kaipiao.operations import catalogue
from kaipiao.operations.degradation.ladder import Level
from kaipiao.settings import ServerSettings

STOP_SECONDS = 5
SECONDS_TO_COME_AGAIN = 2  # for whom no connection was free


def http_server(
    application: FastAPI, secure: ssl.SSLContext | None, settings: ServerSettings, door: Door
) -> uvicorn.Server:
    """A server of `application`, over TLS with `secure`. It accepts on the one socket that its `serve` is given."""
    config = uvicorn.Config(
        application,
        http=PatientProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keepalive_s,  # type: ignore[arg-type]  # a timer takes any
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return _Server(config, application, secure, settings, door)


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again after serving, before the platform has stopped."""

    def __init__(
        self,
        config: uvicorn.Config,
        application: FastAPI,
        secure: ssl.SSLContext | None,
        settings: ServerSettings,
        door: Door,
    ) -> None:
        super().__init__(config)
        services: Services = application.state.services
        self._degradation = services.degradation
        self._feed = application.state.feed
        self._metrics = services.scrape.metrics
        self._pulse = Pulse(services.admission.look_at_lag)
        self._patience = Patience(settings.head_s, settings.head_limit, settings.write_s, settings.pipeline_max)
        self._ahead = Ahead(self._patience.ahead_bytes)
        self._secure = secure
        self._door = door

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        entrance = self._entrance((sockets or [])[0])
        gauges = self._metrics.gauges
        gauges[catalogue.CONNECTIONS] = lambda: entrance.connections
        gauges[catalogue.CONNECTIONS_LIMIT] = lambda: self._door.connections_max
        gauges[catalogue.LOOP_LAG] = lambda: self._pulse.lag
        self.servers = [entrance]  # type: ignore[list-item]  # closed and waited for as one
        entrance.open()
        self._pulse.start()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._feed.end()  # who listens to events would keep the server waiting
        await super().shutdown(sockets)
        self._pulse.stop()

    def _entrance(self, listener: socket.socket) -> Entrance:
        refusal = answer(DoorFull(), f"retry-after: {SECONDS_TO_COME_AGAIN}")
        refused = self._metrics.connection_refused
        return Entrance(listener, self._connection, self._door, self._secure, refusal, refused)

    def _connection(self, lost: Callable[[], None]) -> PatientProtocol:
        protocol = PatientProtocol(
            self.config,
            self.server_state,
            {},
            patience=self._patience,
            ahead=self._ahead,
            lost=lost,
            cut=self._metrics.connection_cut,
        )
        if self._degradation.at_least(Level.L1):
            longer = max(self.config.timeout_keep_alive, self._degradation.lighter.keepalive)
            protocol.timeout_keep_alive = longer  # type: ignore[assignment]  # a timer takes any
        return protocol
