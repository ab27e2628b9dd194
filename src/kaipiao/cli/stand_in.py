"""Looking at a data directory that cannot be written (a read-only mount, a snapshot, a backup).

SQLite needs to write beside a ledger even to read it, so a copy of the ledger is looked at. Everything else, the keys above
all, stays where it is.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaipiao.cli import terminal
from kaipiao.cli.terminal import plain, say
from kaipiao.errors import DirectoryInUse, LedgerFault
from kaipiao.language import Text

LEDGER = ("ledger.db", "ledger.db-wal")  # what of the ledger outlives a crash; the rest is made anew
OF_A_RUN = ("lock", "server.json", "ledger.db-shm")  # belongs to a running server, not to what it serves


@contextmanager
def lookable(directory: Path) -> Iterator[Path]:
    """The directory itself where it can be written; else another for the time being, with a copy of the ledger.

    Raises `DirectoryInUse` when a server has it, `LedgerFault` when it changes under the copying, `OSError`."""
    if not directory.is_dir() or os.access(directory, os.W_OK):
        yield directory
        return
    _require_unlocked(directory)
    with tempfile.TemporaryDirectory(prefix="kaipiao-look-") as made:
        terminal.errors().print(
            say(
                f"{plain(str(directory))} 不可写：查看的是账本的副本",
                f"{plain(str(directory))} cannot be written: a copy of the ledger is looked at",
            )
        )
        _fill(Path(made), directory)
        yield Path(made)


def _require_unlocked(directory: Path) -> None:
    """A server elsewhere on this machine may write what is read-only here: it is asked instead."""
    try:
        lock = os.open(directory / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as taken:
        raise DirectoryInUse(directory=str(directory)) from taken
    finally:
        os.close(lock)


def _fill(made: Path, directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.name not in (*LEDGER, *OF_A_RUN):
            (made / entry.name).symlink_to(entry.absolute())
    before = _state(directory)
    for name in before:
        shutil.copyfile(directory / name, made / name)
        (made / name).chmod(0o600)
    if _state(directory) != before:
        raise LedgerFault(
            Text(
                "账本在复制时被写入：请查看正在运行的服务，或先做快照",
                "The ledger was written while it was copied: ask the server that runs on it, or take a snapshot first",
            ),
            directory=str(directory),
        )


def _state(directory: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the files that are copied; of those that are there."""
    found = {name: directory / name for name in LEDGER if (directory / name).exists()}
    return {name: (path.stat().st_size, path.stat().st_mtime_ns) for name, path in found.items()}
