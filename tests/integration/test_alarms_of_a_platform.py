"""A whole platform: an event of its trail becomes a message at a real receiver; the API tells; a stop lets the desk go."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from delivery.receivers import Receiver, receiver
from delivery.test_http_channels import SECRETS
from standardwebhooks import Webhook as Verifier

from kaipiao.app import Platform
from kaipiao.authority.sandbox.server import serve
from kaipiao.authority.sandbox.settings import SandboxInfo, SandboxSettings
from kaipiao.cli.setup import set_up
from kaipiao.errors import SettingsFault
from kaipiao.ledger.port import EventDraft
from kaipiao.settings import load

CHANNELS = """
[alarm]
gather_s = 0.0

[alarm.routes]
critical = ["hook"]
warning = ["hook"]

[alarm.channel.hook]
kind = "webhook"
url_file = "secrets/hook-url"
secret_file = "secrets/hook-secret"
internal = true
"""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def prepared(tmp_path: Path, info: SandboxInfo, port: int) -> Path:
    home = tmp_path / "platform"
    set_up(home, info.to_json(), 0)
    (home / "secrets").mkdir(mode=0o700, exist_ok=True)
    (home / "secrets/hook-url").write_text(f"http://127.0.0.1:{port}/hook")
    (home / "secrets/hook-secret").write_text(SECRETS[0])
    with (home / "kaipiao.toml").open("a", encoding="utf-8") as settings:
        settings.write(CHANNELS)
    return home


def test_an_event_of_the_trail_reaches_the_receiver_and_a_stop_lets_the_desk_go(tmp_path: Path) -> None:
    async def told(home: Path, far: Receiver) -> None:
        one = Platform(home, load(home))
        await one.start()
        try:
            event = EventDraft("reconcile.found", one.clock.now(), data={"finding": "different", "channel": "leqi"})
            await one.ledger.append_events([event])
            await until(lambda: any(b'"reconcile"' in got.body for got in far.got))
            holder = await one.ledger.hold_alarms("another", 1.0)
            assert holder is None, "this node has the desk"
        finally:
            await one.stop()

    async def story() -> None:
        ready: asyncio.Future[SandboxInfo] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        bureau = asyncio.create_task(
            serve(SandboxSettings(tmp_path / "bureau", rate_per_second=0.0), ready=ready.set_result, stop=stop)
        )
        async with receiver() as far:
            home = prepared(tmp_path, await ready, far.port)
            await told(home, far)
            said = [Verifier(SECRETS[0]).verify(got.body, got.headers) for got in far.got]
            assert [one["data"]["sorts"] for one in said if "reconcile" in one["data"]["sorts"]] == [{"reconcile": 1}]
            again = Platform(home, load(home))
            await again.ledger.open()
            assert await again.ledger.hold_alarms("another", 1.0) is not None
            await again.ledger.close()
            (home / "secrets/hook-secret").write_text("no secret")
            broken = Platform(home, load(home))
            with pytest.raises(SettingsFault, match="hook"):
                await broken.start()
            (home / "secrets/hook-secret").unlink()
            looking = Platform(home, load(home))
            await looking.start(issuing=False)  # who only looks needs no secret
            await looking.stop()
        stop.set()
        await bureau

    asyncio.run(story())
