"""The services of others that the settings name, each on a wire of its own."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from pathlib import Path

from kaipiao.authority.transport import Timeouts, TlsSettings, Transport
from kaipiao.clock import SystemClock
from kaipiao.errors import SettingsFault
from kaipiao.issuing.node import Loop
from kaipiao.language import Text
from kaipiao.ledger.port import Ledger
from kaipiao.operations.dependencies.heartbeats import Heart, Heartbeats
from kaipiao.operations.dependencies.over_https import Https
from kaipiao.settings import DependencySettings, Settings

PATIENCE = Timeouts(resolve=5, connect=5, handshake=5, write=5, wait=10, answer=10, queue=5)


def heartbeats_of(directory: Path, settings: Settings, ledger: Ledger, opened: AsyncExitStack) -> Heartbeats:
    """By real time: what a dependency does has nothing to do with a bureau's clock."""
    hearts = []
    for name, one in settings.dependency.items():
        https = Https(Transport(TlsSettings(_roots(directory, one)), PATIENCE), one.url)
        opened.push_async_callback(https.close)
        hearts.append(Heart(name, one.kind, https.beat, one.gap_s))
    rest = min((one.interval_s for one in settings.dependency.values()), default=60.0)
    return Heartbeats(hearts, SystemClock(), ledger.append_events, settings.node, rest)


def heartbeat_loop(heartbeats: Heartbeats) -> Loop:
    return Loop("heartbeats", heartbeats.round, SystemClock())


def _roots(directory: Path, settings: DependencySettings) -> Path:
    if settings.ca_file is not None:
        return directory / settings.ca_file
    found = ssl.get_default_verify_paths().cafile
    if found is None:
        raise SettingsFault(
            Text(
                "本机没有受信根证书文件，请填写 dependency 的 ca_file",
                "This machine has no file of trusted roots: set ca_file",
            )
        )
    return Path(found)
