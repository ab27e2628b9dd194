"""A TEST environment may take its clock from the sandbox. The function is kept on disk, so that it holds while the sandbox is down."""

from __future__ import annotations

import json
from pathlib import Path

from kaipiao.authority.transport import Transport
from kaipiao.clock import ClockFunction
from kaipiao.errors import SettingsFault
from kaipiao.language import Text
from kaipiao.seal import durable


async def ask(transport: Transport, url: str) -> ClockFunction | None:
    """The sandbox's clock; None when it does not answer soundly."""
    reply = await transport.get(url)
    if reply.failure is not None or reply.status != 200:
        return None
    return parse(reply.body)


def parse(content: bytes) -> ClockFunction | None:
    """{"anchor": s, "shown": s, "speed": x}; None for anything else."""
    try:
        raw = json.loads(content)
        function = ClockFunction(float(raw["anchor"]), float(raw["shown"]), float(raw["speed"]))
        function.at(function.anchor)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None
    return function if 0 < function.speed <= 1_000_000 else None


class KeptClock:
    """The last function that was heard of, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> ClockFunction | None:
        try:
            return parse(self._path.read_bytes())
        except FileNotFoundError:
            return None

    def keep(self, function: ClockFunction) -> None:
        content = {"anchor": function.anchor, "shown": function.shown, "speed": function.speed}
        durable.replace(self._path, json.dumps(content).encode("utf-8"))


async def first(transport: Transport, url: str, kept: KeptClock) -> ClockFunction:
    """The clock to start with: the sandbox's, else the kept one. Raises `SettingsFault` when there is neither."""
    function = await ask(transport, url) or kept.read()
    if function is None:
        raise SettingsFault(
            Text(
                f"测试环境跟随的时钟没有应答：{url}",
                f"The clock that this TEST environment follows does not answer: {url}",
            ),
            code="KP-SETTINGS-03",
        )
    kept.keep(function)
    return function
