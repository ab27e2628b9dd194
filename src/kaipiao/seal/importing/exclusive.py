"""One writer at a time in a key store's directory: importing and rotating never cross each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaipiao.errors import KeyStoreUnusable


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Waits for the other writer. The directory itself carries the lock, so nothing is left behind by a crash.

    Windows has no such lock: there, writers must not be started at the same time. Raises `KeyStoreUnusable`."""
    if os.name == "nt":
        yield
        return
    import fcntl  # noqa: PLC0415 (POSIX only)

    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise KeyStoreUnusable(directory=str(directory)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
