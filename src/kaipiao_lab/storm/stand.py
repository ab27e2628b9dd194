"""The bench of a storm: wires that can be cut lead to the bureau and to the platform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.processes import Command
from kaipiao_lab.storm.wire import Wire


class Stand(Bench):
    """The bureau keeps its port across restarts, a platform does not."""

    def __init__(self, directory: Path, sizes: Sizes) -> None:
        super().__init__(directory, sizes)
        self.to_bureau = Wire(lambda: _port(self.bureau.info.get("url")))
        self.to_platforms = [Wire(self._port_of(node)) for node in self.nodes]
        self._next = 0

    def told(self, info: dict[str, Any]) -> dict[str, Any]:
        """What the platforms are told of the bureau: it is at the other end of the wire."""
        text = json.dumps(info).replace(f":{_port(info['url'])}", f":{self.to_bureau.port}")
        found: dict[str, Any] = json.loads(text)
        return found

    def url(self) -> str:
        self._next = (self._next + 1) % len(self.to_platforms)
        return f"http://127.0.0.1:{self.to_platforms[self._next].port}"

    def close(self) -> None:
        super().close()
        for wire in (self.to_bureau, *self.to_platforms):
            wire.close()

    @staticmethod
    def _port_of(node: Command) -> Any:
        return lambda: _port(node.info.get("url"))


def _port(url: str | None) -> int | None:
    return None if url is None else urlsplit(url).port
