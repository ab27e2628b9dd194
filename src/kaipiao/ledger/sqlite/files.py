"""The data directory, its lock, and the connections to the file in it."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from pathlib import Path

from kaipiao.errors import DirectoryInUse, Internal, KaipiaoError, LedgerDamaged, LedgerFault
from kaipiao.language import Text
from kaipiao.system_words import reason_of

DATABASE = "ledger.db"
LOCK = "lock"
APPLICATION_ID = 0x4B504C47  # "KPLG": other programs' files are refused
PAGE_SIZE = 8192  # bytes, of new files
OLDEST_SQLITE = (3, 38, 0)  # STRICT tables
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DirectoryLock:
    """The exclusive lock on a data directory, held until it is released or the process dies."""

    def __init__(self, directory: Path) -> None:
        """Make the directory where it is missing, and lock it. Raises `DirectoryInUse`, `LedgerFault`."""
        try:
            _make_durably(directory)
            self._file = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise directory_fault(directory, error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise DirectoryInUse(directory=str(directory)) from error
            raise directory_fault(directory, error) from error

    def release(self) -> None:
        os.close(self._file)


def _make_durably(directory: Path) -> None:
    """A directory that a power cut could take away again would take the ledger with it."""
    if directory.is_dir():
        return
    directory.mkdir(mode=0o700, exist_ok=True)
    parent = os.open(directory.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def directory_fault(directory: Path, error: OSError) -> LedgerFault:
    reason = reason_of(error)
    return LedgerFault(
        Text(f"数据目录不可用：{reason.zh}", f"The data directory cannot be used: {reason.en}"),
        directory=str(directory),
    )


def connect_writer(file: Path) -> sqlite3.Connection:
    """The one connection that writes and the only one that ever makes a checkpoint."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise LedgerFault(Text("SQLite 版本过低", f"SQLite {sqlite3.sqlite_version} is too old; 3.38 is needed"))
    _make(file)
    connection = sqlite3.connect(
        file, isolation_level=None, check_same_thread=False, cached_statements=1024, timeout=1.0
    )
    try:
        _prepare_writer(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(file: Path) -> None:
    """Make a missing file readable for its owner only; SQLite gives WAL and shared memory the same rights. One that is
    there is only looked at: opening and closing it would drop the locks that SQLite may hold in this process."""
    try:
        if not os.access(file, os.F_OK):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if not os.access(file, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise directory_fault(file.parent, error) from error


def _prepare_writer(connection: sqlite3.Connection) -> None:
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    used = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if owner != APPLICATION_ID and used:
        raise LedgerDamaged(Text("该文件不是本系统的账本", "The file is not a ledger of this platform"))
    connection.execute("PRAGMA mmap_size = 0")
    # KiB; the process holds about twice that. 64 MiB accepted no faster (measured up to 50,000 orders).
    connection.execute("PRAGMA cache_size = -16384")
    connection.execute("PRAGMA secure_delete = OFF")  # nothing of an invoice is ever deleted
    if not used:  # an invoice with its document is longer than SQLite's 4 KiB: fewer, larger writes
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerFault(Text("无法启用 WAL 日志", f"The file system does not allow WAL (it says {mode})"))
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = 1")  # macOS: fsync alone does not reach the disk there
    connection.execute("PRAGMA checkpoint_fullfsync = 1")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    if not used:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def connect_reader(file: Path) -> sqlite3.Connection:
    """A connection that can only read. It never makes a checkpoint, not even when it is closed."""
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA mmap_size = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def fault_of(error: Exception) -> KaipiaoError:
    """What an error of SQLite, or a defect of ours beneath it, is to the caller."""
    if isinstance(error, KaipiaoError):
        return error
    if isinstance(error, sqlite3.IntegrityError):
        return Internal(Text("账本约束被违反", f"A constraint of the ledger was broken: {error}"))
    if not isinstance(error, sqlite3.Error):
        return Internal(Text("写账时程序出错", f"A defect while writing: {type(error).__name__}"))
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    if _primary(error) in _DAMAGE:
        return LedgerDamaged(reason=name)
    return LedgerFault(Text(f"账本不可用（{name}）", f"The ledger is not available ({name}: {error})"), reason=name)


def surely_not_committed(error: sqlite3.Error) -> bool:
    """Whether a failed COMMIT left nothing behind for certain: the disk was full before its last frame, or it never
    began. After any other error the commit's frames may or may not be found when the file is opened again."""
    return _primary(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY)


def _primary(error: sqlite3.Error) -> int:
    """The primary result code. An error raised by Python's own binding has none: 0."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
