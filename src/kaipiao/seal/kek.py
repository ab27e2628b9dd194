"""The key-encryption key (KEK): 64 hex digits in a file that only its owner may read, or a systemd credential."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path

from kaipiao.errors import KekRefused
from kaipiao.language import Text
from kaipiao.seal import durable
from kaipiao.seal.envelope import KEY_SIZE

CREDENTIAL = "kaipiao-kek"
_FORM = re.compile(rb"[0-9a-fA-F]{64}\s*")
_READ_LIMIT = 1024  # bytes


def load_or_create_kek(path: Path) -> bytes:
    """32 bytes: from $CREDENTIALS_DIRECTORY/kaipiao-kek if that is there, else from `path`, else new and written there.

    Raises `KekRefused` for a file that group or others may touch, that is a link or another user's, or is malformed.
    """
    credential = _credential()
    if credential is not None:
        return _parsed(credential, _read(credential, private=False))
    try:
        return _parsed(path, _read(path, private=True))
    except FileNotFoundError:
        return _created(path)


def next_kek(path: Path) -> bytes | None:
    """The KEK that a change of it keeps beside `path` until every key is under it (see `importing.rotation`); None when
    there is no such change, or it has ended. Raises `KekRefused`."""
    following = beside(path)
    try:
        return _parsed(following, _read(following, private=True))
    except FileNotFoundError:
        return None


def beside(path: Path) -> Path:
    """Where `next_kek` looks."""
    return path.with_name(f"{path.name}.next")


def _credential() -> Path | None:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(directory) / CREDENTIAL if directory else None
    return path if path is not None and path.exists() else None


def _created(path: Path) -> bytes:
    kek = secrets.token_bytes(KEY_SIZE)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.create(path, kek.hex().encode("ascii") + b"\n")
    except FileExistsError:
        return _parsed(path, _read(path, private=True))  # another process was first: its key is the key
    except OSError as error:
        raise _refused(path, "无法写入", "it cannot be written") from error
    return kek


def _read(path: Path, *, private: bool) -> bytes:
    """`private`: refuse what others may read. A credential is guarded by its directory; systemd sets its own mode."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _refused(path, "无法打开（或是符号链接）", "it cannot be opened, or it is a link") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _refused(path, "不是普通文件", "it is no regular file")
        if private and os.name != "nt":
            _require_private(path, status)
        return os.read(descriptor, _READ_LIMIT)
    finally:
        os.close(descriptor)


def _require_private(path: Path, status: os.stat_result) -> None:
    if status.st_mode & 0o077:
        raise _refused(path, "他人可读写", "others may read or write it")
    if status.st_uid not in (os.geteuid(), 0):
        raise _refused(path, "属于另一个用户", "it belongs to another user")


def _parsed(path: Path, content: bytes) -> bytes:
    if _FORM.fullmatch(content) is None:
        raise _refused(path, "内容不是 64 位十六进制", "it does not hold 64 hex digits")
    return bytes.fromhex(content.decode("ascii"))


def _refused(path: Path, zh: str, en: str) -> KekRefused:
    text = Text("主密钥文件 {path} 不可用：{zh}。", "The key-encryption key in {path} cannot be used: {en}.")
    return KekRefused(text.format(path=path, zh=zh, en=en), path=str(path))
