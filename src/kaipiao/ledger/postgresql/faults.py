"""What an error of PostgreSQL or of the way to it means: retry, refuse, or nobody knows whether it was committed."""

from __future__ import annotations

import asyncpg  # type: ignore[import-untyped]

from kaipiao.errors import Internal, KaipiaoError, LedgerBusy, LedgerFault
from kaipiao.language import Text

SERIALISATION = {"40001", "40P01"}  # serialisation failure, deadlock: the same again is safe and may succeed
UNIQUE_VIOLATION = "23505"
LOCK_NOT_AVAILABLE = "55P03"  # waited for longer than `lock_timeout` (session.py)
TOO_MANY_CONNECTIONS = "53300"
# What an operator can do something about, by SQLSTATE or its class.
_KNOWN = {
    "28": Text("数据库拒绝了用户或口令", "The database refuses the user or the password"),
    "3D": Text("没有这个数据库", "There is no such database"),
    "42501": Text("数据库用户缺少权限", "The user of the database lacks a privilege"),
    "53100": Text("数据库服务器磁盘已满", "The disk of the database server is full"),
    TOO_MANY_CONNECTIONS: Text("数据库连接数已用完", "The database grants no further connection"),
    "25006": Text("数据库只读（可能已切换为备库）", "The database is read-only (perhaps a standby by now)"),
    "57P": Text("数据库正在启动或停止", "The database is starting or stopping"),
}
# Everything that a call to the server can raise beside defects of ours.
DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, EOFError)


def code_of(error: BaseException) -> str | None:
    """The SQLSTATE, where the server gave one."""
    return getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None


def told_by_server(error: BaseException) -> bool:
    """Whether the server itself refused the statement and goes on: then it stored nothing of it, for certain. After
    anything else (a FATAL error, a lost connection) a commit that was sent may or may not have taken place."""
    return isinstance(error, asyncpg.PostgresError) and getattr(error, "severity_en", None) == "ERROR"


def never_sent(error: BaseException) -> bool:
    """Whether the parameters could not even be put into a message."""
    return (
        isinstance(error, asyncpg.DataError | UnicodeError | OverflowError) and getattr(error, "severity", None) is None
    )


def surely_not_committed(error: BaseException) -> bool:
    return told_by_server(error) or never_sent(error)


def is_broken_way(error: BaseException) -> bool:
    """Whether the connection, not the statement, is at fault."""
    return not surely_not_committed(error) and isinstance(error, DATABASE_ERRORS)


def fault_of(error: BaseException) -> KaipiaoError:
    """What an error of PostgreSQL, or a defect of ours beneath it, is to the caller."""
    if isinstance(error, KaipiaoError):
        return error
    code = code_of(error)
    if never_sent(error) or (code is not None and code[:2] in {"22", "23"}):
        return Internal(Text("账本约束被违反", f"A constraint of the ledger was broken: {_what(error)}"))
    if not isinstance(error, DATABASE_ERRORS):
        return Internal(Text("写账时程序出错", f"A defect while writing: {type(error).__name__}"))
    name = code or type(error).__name__
    if code == LOCK_NOT_AVAILABLE:
        return LedgerBusy(reason=name)
    why = (
        _KNOWN.get(name)
        or _KNOWN.get(name[:3])
        or _KNOWN.get(name[:2])
        or Text("账本不可用", "The ledger is not available")
    )
    return LedgerFault(Text(f"{why.zh}（{name}）", f"{why.en} ({_what(error)})"), reason=name)


def _what(error: BaseException) -> str:
    """Kind and code; never the server's detail, which quotes rows."""
    code = code_of(error)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
