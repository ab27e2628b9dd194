"""What is done at which level, and what was measured and left off. docs/results/degradation.md has the figures."""

from __future__ import annotations

from dataclasses import dataclass

from kaipiao.language import Text
from kaipiao.operations.degradation.ladder import Level


@dataclass(frozen=True, slots=True)
class Measure:
    """`name`: as the API shows it."""

    name: str
    level: Level
    text: Text


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


def measures_at(level: Level) -> tuple[Measure, ...]:
    return tuple(measure for measure in MEASURES if level >= measure.level)
