"""Modes and budgets, made from what a platform has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from kaipiao.authority.channel import Channel
from kaipiao.clock import Clock, SystemClock
from kaipiao.errors import SettingsFault
from kaipiao.issuing import budgets
from kaipiao.issuing.breakers import Breakers
from kaipiao.issuing.clock_gate import ClockGate
from kaipiao.issuing.gate import Gate
from kaipiao.issuing.mode_controller import REST, ModeController
from kaipiao.issuing.node import Loop
from kaipiao.issuing.shards import Shards
from kaipiao.issuing.supply import Supply
from kaipiao.language import Text
from kaipiao.ledger.port import Ledger
from kaipiao.settings import Settings


def gate_for(directory: Path, settings: Settings, ledger: Ledger, channels: Mapping[str, Channel]) -> Gate:
    """The gate by the table of the package and the operator's own. Raises `SettingsFault`."""
    own = settings.contingency.table
    table = budgets.load(*([] if own is None else [(_read(directory / own), own)]))
    kinds = {name: channel.kind for name, channel in settings.channel.items()}
    table.check({kinds[name]: channel.capabilities for name, channel in channels.items()})
    return Gate(ledger, table, kinds)


def controller_for(
    settings: Settings,
    ledger: Ledger,
    gate: Gate,
    channels: Mapping[str, Channel],
    breakers: Breakers,
    shards: Shards,
    supply: Supply,
    clock: Clock,
    clock_gate: ClockGate | None = None,
) -> ModeController:
    def endpoints() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for state in breakers.states():
            found.setdefault(state.channel, set()).add(state.endpoint)
        return found

    controller = ModeController(
        ledger,
        gate,
        {name: channel.capabilities for name, channel in channels.items()},
        endpoints,
        [(t.tax_number, name) for t in settings.taxpayer for name in t.channels],
        clock,
        holds=shards.holds,
        quota_until=supply.quota_until,
        clock_fault=lambda: "clock.unsound" if clock_gate is not None and clock_gate.stops else None,
    )
    supply.hours_ahead = controller.hours_ahead
    return controller


def mode_loop(controller: ModeController, breakers: Breakers) -> Loop:
    """By real time, at once when a breaker opens."""
    loop = Loop("modes", controller.round, SystemClock(), REST)
    breakers.on_open.append(_waking(loop))
    return loop


def _waking(loop: Loop) -> Callable[[str, str, str | None], None]:
    def wake(channel: str, endpoint: str, cause: str | None) -> None:
        loop.wake()

    return wake


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as broken:
        raise SettingsFault(
            Text(f"contingency.table：{path} 无法读取", f"contingency.table: {path} cannot be read")
        ) from broken
