"""Small secret files: whole or not there, durable, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

_OWNER_ONLY = 0o600


def create(path: Path, data: bytes) -> None:
    """A new file. Raises `FileExistsError` if the name is taken, `OSError` for what the machine refuses."""
    _place(path, data, lambda temporary: os.link(temporary, path))


def replace(path: Path, data: bytes) -> None:
    """The file now holds these bytes; until then, and on `OSError`, the former ones."""
    _place(path, data, lambda temporary: temporary.replace(path))


def _place(path: Path, data: bytes, take_name: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        _write(temporary, data)
        take_name(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Names that were made or taken in it outlast a power cut."""
    if os.name == "nt":
        return  # Windows has no handle of a directory to synchronise
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
