"""What is done at which level, and what was measured and left off. docs/results/degradation.md has the figures."""

from __future__ import annotations

from dataclasses import dataclass

from kaipiao.language import Text
from kaipiao.operations.degradation.ladder import Level


@dataclass(frozen=True, slots=True)
class Measure:
    """`name`: as the API shows it. `of_a_replica`: only where there is one that may be read."""

    name: str
    level: Level
    text: Text
    of_a_replica: bool = False


MEASURES = (
    Measure(
        "keepalive",
        Level.L1,
        Text("空闲连接留得更久，少做 TLS 握手", "idle connections are kept longer: fewer TLS handshakes"),
    ),
    Measure(
        "cover_looked_at",
        Level.L2,
        Text("可持续时长与现状可以是几秒前的", "cover and status may be some seconds old"),
    ),
    Measure(
        "lists_from_replica",
        Level.L2,
        Text("列表由落后不超过 50 毫秒的备库应答", "lists are read from a standby that is hardly behind"),
        of_a_replica=True,
    ),
    Measure(
        "reads_rated",
        Level.L3,
        Text("查询类请求按调用方限速，开票不受影响", "reading is rated by caller; sales are not"),
    ),
    Measure(
        "hot_window",
        Level.L3,
        Text("列表缺省只看最近的日子", "lists look at the last days only, unless they say from when"),
    ),
)


def measures_at(level: Level, replica: bool) -> tuple[Measure, ...]:
    """`replica`: there is one that may be read."""
    return tuple(one for one in MEASURES if level >= one.level and (replica or not one.of_a_replica))
