"""A bureau in a thread of its own (fast), or in a process of its own (to be killed)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kaipiao.authority.sandbox.server import serve
from kaipiao.authority.sandbox.settings import SandboxInfo, SandboxSettings

from .outside import Outside, read_info

START = Callable[..., Outside]


class Running:
    """`serve` on a loop in a thread, until `stop`."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._ready = threading.Event()
        self.info: dict[str, Any] = {}
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(20), "the sandbox did not start"
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as failure:
            self.failure = failure
            self._ready.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._settings, ready=self._note, stop=self._stop)

    def _note(self, info: SandboxInfo) -> None:
        self.info = info.to_json()
        self._ready.set()

    def stop(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[START]:
    """Start a bureau; keyword arguments are settings. All are stopped at the end."""
    running: list[Running] = []
    clients: list[Outside] = []

    def start(**settings: Any) -> Outside:
        chosen: dict[str, Any] = {"directory": tmp_path / "bureau", "rate_per_second": 0.0, **settings}
        bureau = Running(SandboxSettings(**chosen))
        running.append(bureau)
        client = Outside(bureau.info)
        clients.append(client)
        return client

    def stop() -> None:
        for client in clients:
            client.close()
        while running:
            running.pop().stop()

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    stop()


@pytest.fixture
def bureau(sandbox: START) -> Outside:
    return sandbox()


_PROGRAM = """
import asyncio, json, os, sys
from pathlib import Path
from kaipiao.authority.sandbox.server import serve
from kaipiao.authority.sandbox.settings import SandboxSettings
directory, out = Path(sys.argv[1]), Path(sys.argv[2])
def ready(info):
    out.with_suffix(".new").write_text(json.dumps(info.to_json()), encoding="utf-8")
    os.replace(out.with_suffix(".new"), out)
asyncio.run(serve(SandboxSettings(directory, rate_per_second=0, port=int(sys.argv[3])), ready=ready))
"""


class Killable:
    """The bureau as a process."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        out = directory.parent / f"info-{time.monotonic_ns()}.json"
        self.process = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(directory), str(out), str(port)])
        deadline = time.monotonic() + 20
        while not out.exists():
            assert self.process.poll() is None, "the process ended"
            assert time.monotonic() < deadline, "the process did not come up"
            time.sleep(0.01)
        self.client = Outside(read_info(out))

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Callable[..., Killable]]:
    alive: list[Killable] = []

    def start(port: int = 0) -> Killable:
        alive.append(Killable(tmp_path / "bureau", port))
        return alive[-1]

    yield start
    for entry in alive:
        entry.kill()
