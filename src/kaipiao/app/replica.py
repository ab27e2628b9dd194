"""A standby to read lists from, as the settings have it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from kaipiao.app.secret_file import secret
from kaipiao.clock import SystemClock
from kaipiao.issuing.node import Loop
from kaipiao.ledger.port import Ledger
from kaipiao.operations import catalogue
from kaipiao.operations.degradation.replica_watch import ReplicaWatch
from kaipiao.operations.degradation.state import Degradation
from kaipiao.operations.metrics import Metrics
from kaipiao.settings import DatabaseSettings


def replica_watch_of(
    directory: Path, database: DatabaseSettings, ledger: Ledger, node: str, opened: AsyncExitStack
) -> ReplicaWatch | None:
    """None: the settings name none. It is connected when it is first looked at: without it the platform starts as well."""
    if database.replica_url_file is None:
        return None
    from kaipiao.ledger.postgresql import PostgresqlLedger  # noqa: PLC0415 — an extra that most do not install
    from kaipiao.ledger.postgresql.replica import Replica  # noqa: PLC0415

    assert isinstance(ledger, PostgresqlLedger)  # the settings have seen to it
    url = secret(directory / database.replica_url_file)
    name = f"kaipiao replica {ledger.writer}"
    replica = Replica(url, ledger.place, name, pool_max=database.pool_max, idle_s=database.idle_s)
    opened.push_async_callback(replica.close)
    return ReplicaWatch(replica, database.replica_lag_ms / 1000, ledger.append_events, node)


def replica_loop(watch: ReplicaWatch, degradation: Degradation, metrics: Metrics) -> Loop:
    """Looks at it each second, whatever the level: so it is known before it is needed."""
    degradation.replica = lambda: watch.usable() is not None
    metrics.gauges[catalogue.REPLICA_LAG] = lambda: watch.lag
    return Loop("replica", watch.look, SystemClock(), 1.0)
