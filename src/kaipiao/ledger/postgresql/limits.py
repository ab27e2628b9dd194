"""The pool's limits beside what the server can hold: told, not obeyed (P24, P25)."""

from __future__ import annotations

from dataclasses import dataclass

from kaipiao.language import Text


@dataclass(frozen=True, slots=True)
class LimitWarning:
    """Something about the server or the settings that works, but not as it was asked for."""

    setting: str  # "db.pool_min", ...
    text: Text


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Connections of one node."""

    least: int
    most: int


def fitted(wanted: PoolLimits, room: int, lanes: int) -> tuple[PoolLimits, list[LimitWarning]]:
    """The limits that fit into `room` (connections that the server grants to all of us), and what to tell. A node whose
    `pool_min` does not fit begins with what its `lanes` need, so that the other nodes find room."""
    warnings = []
    most = max(lanes + 1, min(wanted.most, room))
    least = min(wanted.least, most)
    if wanted.most > room:
        warnings.append(_too_many("db.pool_max", wanted.most, room, most))
    if wanted.least > room:
        least = min(lanes, most)
        warnings.append(_too_many("db.pool_min", wanted.least, room, least))
    return PoolLimits(least, most), warnings


def _too_many(setting: str, wanted: int, room: int, used: int) -> LimitWarning:
    return LimitWarning(
        setting,
        Text(
            f"{setting} = {wanted} 超过服务器可用连接数 {room}，按 {used} 使用；请调大 max_connections 或调小该设置",
            f"{setting} = {wanted} is more than the {room} connections that the server grants; {used} is used instead."
            " Raise max_connections or lower the setting.",
        ),
    )
