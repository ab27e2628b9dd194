"""Ids and secrets of one sandbox: made at its first start, the same ever after."""

from __future__ import annotations

import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from kaipiao.errors import SettingsFault
from kaipiao.language import Text
from kaipiao.seal import durable

_FILE = "identity.json"


class Identity(BaseModel):
    """Unit ids, case, SM4 key (32 hex characters) and the administrator's credential."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jrdwptbh: str
    sydwptbh: str
    ylbm: str
    sm4_key: str
    admin_credential: str


def load_identity(directory: Path) -> Identity:
    """Read it or make it. Raises `SettingsFault` when the file is not readable as one."""
    path = directory / _FILE
    if not path.exists():
        durable.replace(path, _new().model_dump_json(indent=1).encode())
    try:
        return Identity.model_validate_json(path.read_bytes())
    except ValidationError as fault:
        raise SettingsFault(Text(f"沙箱身份文件损坏：{path}", f"The sandbox's identity is broken: {path}")) from fault


def _new() -> Identity:
    return Identity(
        jrdwptbh=f"ZL{secrets.randbelow(10**10):010d}",
        sydwptbh=f"SY{secrets.randbelow(10**10):010d}",
        ylbm=f"YL{secrets.randbelow(10**8):08d}",
        sm4_key=secrets.token_hex(16),
        admin_credential=secrets.token_urlsafe(32),
    )
