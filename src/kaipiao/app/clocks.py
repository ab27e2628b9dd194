"""What judges the clock of this installation, and the loop that asks."""

from __future__ import annotations

from kaipiao.clock import SystemClock
from kaipiao.errors import SettingsFault
from kaipiao.issuing.clock_gate import ClockGate, ClockLimits
from kaipiao.issuing.node import Loop
from kaipiao.language import Text
from kaipiao.ledger.port import Ledger
from kaipiao.operations.clock_watch import ClockWatch
from kaipiao.operations.time_sources.sntp import TimeServer
from kaipiao.settings import ClockSettings


def gate_of(settings: ClockSettings) -> ClockGate:
    """A TEST environment that follows the sandbox's clock is never off from it: nothing stops it."""
    return ClockGate(
        ClockLimits(warn=settings.max_skew_ms / 1000, lead=settings.stop_lead_s, lag=settings.stop_lag_s),
        judges=settings.follow is None,
    )


def watch_of(settings: ClockSettings, gate: ClockGate, ledger: Ledger, node: str) -> ClockWatch:
    """Raises `SettingsFault` for a time server that is no host."""
    servers = [_server(address) for address in settings.ntp]
    return ClockWatch(gate, servers, ledger.append_events, node, settings.look_s)


def _server(address: str) -> TimeServer:
    try:
        return TimeServer(address)
    except ValueError as wrong:
        raise SettingsFault(
            Text(f"clock.ntp：{address!r} 不是主机名或“主机:端口”", f"clock.ntp: {address!r} is no host or host:port")
        ) from wrong


def watch_loop(watch: ClockWatch) -> Loop:
    return Loop("clock watch", watch.round, SystemClock())
