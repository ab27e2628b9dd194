"""Makes a data directory: keys, certificates of the channel, `kaipiao.toml`. Never writes over what is there."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kaipiao.access import strongbox
from kaipiao.errors import Malformed, SettingsFault
from kaipiao.language import Text
from kaipiao.seal import durable
from kaipiao.seal.kek import load_or_create_kek
from kaipiao.seal.keystore import P256, KeyStore
from kaipiao.settings import FILE_NAME, load

HEADER = """# 开票 Kaipiao 的设置 / settings. 相对路径相对于本目录 / relative paths are relative to this directory.
# 密钥不写在这里，只写存放它们的文件 / secrets are never written here, only the files that hold them.
"""


def set_up(
    directory: Path, bureau: Mapping[str, Any] | None, port: int, database_url_file: Path | None = None
) -> dict[str, object]:
    """Make the directory. `bureau`: what `kaipiao sandbox --json` printed. `database_url_file`: the ledger is in that
    PostgreSQL database. Raises `SettingsFault` when a data directory is there already."""
    if (directory / FILE_NAME).exists():
        raise SettingsFault(
            Text(f"{directory} 已经是数据目录", f"{directory} is a data directory already"), code="KP-SETTINGS-04"
        )
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = KeyStore(directory / "keys", load_or_create_kek(directory / "keys" / "kek"))
    parts: dict[str, Any] = {
        "environment": "production" if bureau is None else "test",
        "node": f"node-{secrets.token_hex(3)}",
        "server": {"port": port},
        "keys": {"audit": keys.create("audit", "SM2"), "token": keys.create("token", "P-256")},
    }
    keys.create(strongbox.PURPOSE, P256)  # there from the first, so that a copy of keys/ for another node has it
    if database_url_file is not None:
        durable.replace(directory / "database.url", database_url_file.read_text(encoding="utf-8").encode("utf-8"))
        parts["database"] = {"kind": "postgresql", "url_file": "database.url"}
    if bureau is not None:
        _connect(directory, keys, bureau, parts)
    durable.replace(directory / FILE_NAME, (HEADER + toml(parts)).encode("utf-8"))
    settings = load(directory)
    return {"directory": str(directory), "taxpayers": [t.tax_number for t in settings.taxpayer]}


def _connect(directory: Path, keys: KeyStore, bureau: Mapping[str, Any], parts: dict[str, Any]) -> None:
    try:
        channel = _channel(directory, bureau)
        sellers = [
            {
                "tax_number": t["tax_number"],
                "name": t["name"],
                "region": t["region"],
                "taxpayer_type": t["taxpayer_type"],
                "seal": keys.create("seal", "SM2"),
                "channels": ["leqi"],
            }
            for t in bureau["taxpayers"]
        ]
        clock = {"follow": bureau["clock_url"], "through": "leqi"}
    except (KeyError, TypeError) as broken:
        raise Malformed(Text("沙箱信息不完整", "The sandbox's information is incomplete")) from broken
    parts |= {"clock": clock, "channel": {"leqi": channel}, "taxpayer": sellers}


def _channel(directory: Path, bureau: Mapping[str, Any]) -> dict[str, Any]:
    folder = directory / "channel"
    folder.mkdir(exist_ok=True, mode=0o700)
    channel: dict[str, Any] = {
        "kind": "leqi",
        "base_url": bureau["url"],
        "jrdwptbh": bureau["jrdwptbh"],
        "sydwptbh": bureau["sydwptbh"],
        "ylbm": bureau["ylbm"],
        "sm4_key_file": "channel/sm4.key",
        "send_own_seal": True,
    }
    durable.replace(folder / "sm4.key", (str(bureau["sm4_key"]) + "\n").encode("utf-8"))
    names = {"ca_file": "ca.pem", "client_certificate": "client.pem", "client_key": "client.key"}
    for name, file in names.items():
        if bureau.get(name):
            shutil.copyfile(bureau[name], folder / file)
            (folder / file).chmod(0o600)
            channel[name] = f"channel/{file}"
    return channel


def toml(parts: Mapping[str, Any], prefix: str = "") -> str:
    """Strings, numbers, booleans, lists of strings, tables and lists of tables as TOML 1.0."""
    plain = [f"{k} = {_value(v)}" for k, v in parts.items() if not _is_table(v)]
    text = "\n".join(plain) + "\n"
    for name, value in parts.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            text += f"\n[{path}]\n" + toml(value, f"{path}.")
        elif _is_table(value):
            for row in value:
                text += f"\n[[{path}]]\n" + toml(row, f"{path}.")
    return text


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _value(value: object) -> str:
    """JSON's strings, numbers, booleans and lists are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
