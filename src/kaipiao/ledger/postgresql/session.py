"""One connection to the server: what it must be before it is used, and what a COMMIT on it has said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from kaipiao.errors import LedgerFault
from kaipiao.language import Text
from kaipiao.ledger.postgresql.faults import DATABASE_ERRORS
from kaipiao.ledger.postgresql.limits import LimitWarning

OLDEST_SERVER = 140000  # 14: pg_current_xact_id, idle time-outs
_SETTINGS = {
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",  # planned once: planning costs more than the statements
    # Plans are kept; one that was made while a month's partition was empty must not read it from end to end when it is full.
    "enable_seqscan": "off",
    "default_transaction_isolation": "read committed",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",  # a node that froze between statements holds nobody up for ever
}
_LOOK = """
SELECT current_setting('server_version_num')::integer AS version, pg_is_in_recovery() AS recovering,
    current_setting('synchronous_commit') AS durability, current_setting('fsync') AS fsync,
    current_setting('server_encoding') AS encoding, pg_backend_pid() AS process, current_setting('max_connections')::integer
    - current_setting('superuser_reserved_connections')::integer
    - coalesce(current_setting('reserved_connections', true), '0')::integer AS room,
    set_config('synchronous_commit', current_setting('synchronous_commit'), false) AS pinned
"""


class Session:
    """A connection and what was learnt about its server. Not for two users at a time."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.room = 0  # connections that the server grants to users like us
        self.warnings: list[LimitWarning] = []
        self.idle_since = 0.0
        self._doubts: list[str] = []
        connection.add_log_listener(self._hear)

    @property
    def broken(self) -> bool:
        return bool(self.connection.is_closed())

    def listen(self) -> None:
        """Forget what was heard: a commit begins."""
        self._doubts.clear()

    @property
    def doubt(self) -> str | None:
        """A warning that came with a commit: committed here, but perhaps not where it must be as well."""
        return self._doubts[0] if self._doubts else None

    def abort(self) -> None:
        self.connection.terminate()

    async def close(self) -> None:
        try:
            await self.connection.close(timeout=5)
        except (*DATABASE_ERRORS, TimeoutError):
            self.connection.terminate()

    def _hear(self, _: object, message: Any) -> None:
        """Warnings of class 01 (a cancelled wait for the standby) and of a server that goes down while we wait."""
        code = message.sqlstate or ""
        if message.severity_en == "WARNING" and (code[:2] == "01" or code.startswith("57P")):
            self._doubts.append(code)


Check = Callable[[Session], Awaitable[None]]


async def connect(url: str, name: str, patience: float, check: Check) -> Session:
    """A connection that has passed the check. `name` is shown in pg_stat_activity; `patience` in seconds. Raises
    `LedgerFault`, database errors and `TimeoutError`."""
    async with asyncio.timeout(patience):
        session = Session(await _reach(url, name))
        try:
            await check(session)
        except BaseException:
            session.abort()
            raise
    return session


async def _reach(url: str, name: str) -> Any:
    settings = {**_SETTINGS, "application_name": name[:63]}
    try:
        return await asyncpg.connect(url, timeout=None, max_cached_statement_lifetime=0, server_settings=settings)
    except (ValueError, asyncpg.ClientConfigurationError) as error:
        raise _unfit("数据库地址有误", "The address of the database is not valid", type(error).__name__) from error
    except asyncpg.ProtocolViolationError as error:  # PgBouncer: "unsupported startup parameter"
        raise _pooler() from error


async def check_primary(session: Session) -> None:
    """Writes go to the primary only, and what is acknowledged must be durable. The durability found is pinned to the
    session, so that nobody switches it off under us."""
    found = await session.connection.fetchrow(_LOOK)
    refuse_pooler(session, found)
    if found["version"] < OLDEST_SERVER:
        raise _unfit("PostgreSQL 版本过低", f"PostgreSQL {found['version']} is too old; 14 is needed", "version")
    if found["recovering"]:
        raise _unfit("连接到的是备库", "The server is a standby (in recovery); the primary is needed", "recovery")
    if found["durability"] == "off":
        raise _unfit("synchronous_commit 已关闭", "synchronous_commit is off: a commit could be lost", "durability")
    if found["encoding"] != "UTF8":
        raise _unfit("数据库编码不是 UTF8", f"The database is encoded in {found['encoding']}, not UTF8", "encoding")
    session.room = found["room"]
    session.warnings = list(_remarks(found))


def _remarks(found: Any) -> list[LimitWarning]:
    remarks = []
    if found["durability"] in ("local", "remote_write"):
        text = f"synchronous_commit = {found['durability']}"
        remarks.append(
            LimitWarning(
                "synchronous_commit",
                Text(f"{text}：主备切换时可能丢票", f"{text}: a failover may lose what was acknowledged"),
            )
        )
    if found["fsync"] == "off":
        remarks.append(
            LimitWarning(
                "fsync", Text("fsync 已关闭：断电会丢票", "fsync is off: a power cut loses what was acknowledged")
            )
        )
    return remarks


def refuse_pooler(session: Session, found: Any) -> None:
    """`found`: a row with the `process` that the server names. Raises `LedgerFault`."""
    if found["process"] != session.connection.get_server_pid():
        raise _pooler()


def _pooler() -> LedgerFault:
    """PgBouncer and its like hand a session on between transactions; settings, prepared statements and what was learnt of
    the server would be somebody else's. They give themselves away: the process they name is not the one that answers."""
    return _unfit(
        "不能经由连接池代理（PgBouncer 等）连接；请直接连接 PostgreSQL，连接数由 database.pool_max 限制",
        "There is a connection pooler (PgBouncer or its like) in between; connect to PostgreSQL itself:"
        " database.pool_max limits the connections",
        "pooler",
    )


def _unfit(zh: str, en: str, reason: str) -> LedgerFault:
    return LedgerFault(Text(zh, en), reason=reason)
