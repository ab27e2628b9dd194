"""What a server must be before lists are read from it, and where it and the primary stand in the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kaipiao.errors import ReplicaUnfit
from kaipiao.language import Text
from kaipiao.ledger.postgresql.session import Session, refuse_pooler

# Of the primary: who it is, and where its log ends. pg_walfile_name() fails on a server that is in recovery.
PRIMARY = """
SELECT (SELECT system_identifier FROM pg_control_system()) AS system, current_database() AS database,
    left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline, (pg_current_wal_lsn() - '0/0')::bigint AS place
"""
_WHO = """
SELECT (SELECT system_identifier FROM pg_control_system()) AS system, current_database() AS database,
    pg_postmaster_start_time() AS started, pg_is_in_recovery() AS recovering, pg_backend_pid() AS process
"""
# The timeline of the last restart point: after a failover it follows late, never early.
WHERE = """
SELECT pg_is_in_recovery() AS recovering, (pg_last_wal_replay_lsn() - '0/0')::bigint AS place,
    (SELECT lpad(upper(to_hex(timeline_id)), 8, '0') FROM pg_control_checkpoint()) AS timeline,
    extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS age
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Of the primary. `log`: bytes of its log, on this timeline."""

    system: int
    database: str
    timeline: str
    log: int


def place_of(row: Any) -> Place:
    return Place(row["system"], row["database"], row["timeline"], row["place"])


class StandbyCheck:
    """Every session of a pool must come to one and the same run of a standby of this primary: behind an address there may be
    several servers, and one that was started anew may have gone back."""

    def __init__(self, primary: Place) -> None:
        self._primary = primary
        self._started: object = None

    async def __call__(self, session: Session) -> None:
        """Raises `ReplicaUnfit` and database errors."""
        found = await session.connection.fetchrow(_WHO)
        refuse_pooler(session, found)
        if not found["recovering"]:
            raise promoted()
        if found["system"] != self._primary.system:
            raise _unfit("不是同一个集群", "it belongs to another cluster", "system")
        if found["database"] != self._primary.database:
            raise _unfit("不是同一个数据库", "it is another database of the cluster", "database")
        if self._started not in (None, found["started"]):
            raise _unfit("备库已重新启动", "it was started anew, or is another standby", "restarted")
        self._started = found["started"]


def promoted() -> ReplicaUnfit:
    return _unfit("不在恢复状态（已提升？）", "it is not in recovery (promoted?)", "recovery")


def other_timeline() -> ReplicaUnfit:
    return _unfit("时间线与主库不同", "it is on another timeline than the primary", "timeline")


def _unfit(zh: str, en: str, reason: str) -> ReplicaUnfit:
    title = ReplicaUnfit.title
    return ReplicaUnfit(Text(f"{title.zh}：{zh}", f"{title.en}: {en}"), reason=reason)
