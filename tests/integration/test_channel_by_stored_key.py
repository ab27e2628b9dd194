"""A channel that proves who it is by a key of the key store, against the bureau to test against, over mutual TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kaipiao.access.keys import key_store
from kaipiao.app import Platform
from kaipiao.app.channels import tls_of
from kaipiao.authority.sandbox.server import serve
from kaipiao.authority.sandbox.settings import SandboxInfo, SandboxSettings
from kaipiao.authority.transport import TlsSettings, Transport
from kaipiao.cli.main import app
from kaipiao.cli.setup import set_up
from kaipiao.errors import KeyUnknown, SettingsFault
from kaipiao.seal.importing.rotation import rotate
from kaipiao.settings import load, parse

Scene = Callable[[Path, SandboxInfo], Awaitable[None]]


def keys(home: Path, *words: str | Path) -> None:
    done = CliRunner().invoke(app, ["keys", *map(str, words), "-d", str(home)])
    assert done.exit_code == 0, done.output


def changed(home: Path, client_key: str) -> None:
    """The channel's two lines become one."""
    path = home / "kaipiao.toml"
    lines = [
        line for line in path.read_text().splitlines() if not line.startswith(("client_certificate", "client_key"))
    ]
    where = lines.index("[channel.leqi]") + 1
    path.write_text("\n".join([*lines[:where], f'client_key = "{client_key}"', *lines[where:]]) + "\n")


def beside_a_bureau(folder: Path, scene: Scene) -> None:
    """`scene` gets a data directory whose client key lies in the key store only, as "bureau"."""

    async def whole() -> None:
        ready: asyncio.Future[SandboxInfo] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        settings = SandboxSettings(folder / "bureau", rate_per_second=0.0)
        serving = asyncio.create_task(serve(settings, ready=ready.set_result, stop=stop))
        info = await asyncio.wait_for(ready, 20)
        try:
            await scene(_moved(folder / "data", info), info)
        finally:
            stop.set()
            await serving

    asyncio.run(whole())


def _moved(home: Path, info: SandboxInfo) -> Path:
    set_up(home, info.to_json(), 0)
    channel = home / "channel"
    keys(home, "import", channel / "client.key", channel / "client.pem", "--purpose", "tls-client", "--id", "bureau")
    for name in ("client.key", "client.pem"):
        (channel / name).unlink()
    changed(home, "key:bureau")
    return home


async def heard(platform: Platform, info: SandboxInfo) -> bool:
    """Does the bureau, which demands a certificate of its own authority, answer the channel of the settings?"""
    await platform.start(issuing=False)
    wire = Transport(tls_of(platform.directory, platform.settings.channel["leqi"], platform._keys))
    try:
        reply = await wire.get(info.clock_url)
        return reply.failure is None and reply.status == 200
    finally:
        await wire.close()
        await platform.stop()


def test_the_channel_is_let_in_by_a_key_that_never_lies_in_the_clear(tmp_path: Path) -> None:
    async def scene(home: Path, info: SandboxInfo) -> None:
        stranger = Transport(TlsSettings(home / "channel" / "ca.pem"))
        refused = (await stranger.get(info.clock_url)).failure
        await stranger.close()
        assert refused is not None
        assert refused.cause == "handshake.client_certificate_refused"
        assert await heard(Platform(home, load(home)), info)
        secret = key_store(home, load(home)).p256("bureau").private_numbers().private_value.to_bytes(32, "big")
        held = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
        assert not any(secret in content or secret.hex().encode() in content.lower() for content in held)
        assert sum(b"PRIVATE KEY" in content for content in held) == 0
        rotate(home / "keys", home / "keys" / "kek")
        assert await heard(Platform(home, load(home)), info)

    beside_a_bureau(tmp_path, scene)


def test_a_key_without_a_certificate_of_its_own_is_refused_by_name_before_anything_starts(tmp_path: Path) -> None:
    async def scene(home: Path, info: SandboxInfo) -> None:
        keys(home, "create", "--purpose", "tls-client", "--id", "bare")
        for name, fault in (("bare", "KP-SETTINGS-11 .*bare"), ("absent", "KP-SEAL-05 .*absent")):
            changed(home, f"key:{name}")
            with pytest.raises((SettingsFault, KeyUnknown), match=fault):
                await heard(Platform(home, load(home)), info)
        (home / "keys" / "bare.cert.pem").write_bytes((home / "keys" / "bureau.cert.pem").read_bytes())
        changed(home, "key:bare")
        with pytest.raises(SettingsFault, match="KP-SETTINGS-11"):
            await heard(Platform(home, load(home)), info)

    beside_a_bureau(tmp_path, scene)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ({"client_key": "key:bureau", "client_certificate": "client.pem"}, "brings its own"),
        ({"client_key": "client.key"}, "client_certificate is missing"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(lines: dict[str, str], problem: str) -> None:
    channel = dict.fromkeys(("ca_file", "jrdwptbh", "sydwptbh", "ylbm", "sm4_key_file"), "x")
    raw = {"keys": {"audit": "a", "token": "t"}, "channel": {"leqi": {"base_url": "https://x", **channel, **lines}}}
    with pytest.raises(SettingsFault, match=problem):
        parse(raw, "test")
