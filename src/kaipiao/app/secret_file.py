"""What stands alone in a file that only its owner can read."""

from __future__ import annotations

from pathlib import Path

from kaipiao.errors import SettingsFault
from kaipiao.language import Text


def secret(path: Path) -> str:
    """Raises `SettingsFault` for a file that cannot be read as ASCII."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as unreadable:
        raise SettingsFault(
            Text(f"密钥文件无法读取：{path.name}", f"The key file cannot be read: {path.name}")
        ) from unreadable
