"""Real processes to start, ask, kill and start again: the bureau and the platform, by their own commands."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from kaipiao_lab.keeper import Keeper

START_SECONDS = 40.0


class NotStarted(Exception):
    """A process did not come up; its log says why."""


class Command:
    """One `kaipiao …` process. Its first line on stdout is JSON; stderr goes to a log file. It ends when its starter dies.
    `program`: a module with its own arguments, that runs the command in a way of its own."""

    def __init__(self, arguments: list[str], log: Path, program: Sequence[str] = ("kaipiao.cli.main",)) -> None:
        self._arguments = [sys.executable, "-m", *program, *arguments]
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self._keeper: Keeper | None = None
        self.info: dict[str, Any] = {}

    def start(self) -> dict[str, Any]:
        """Start it and read its first line. Raises `NotStarted`."""
        keeper = Keeper(signal.SIGTERM)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        keeper.keep(self._process.pid)
        self._keeper = keeper
        line = _first_line(self._process)
        if not line:
            raise NotStarted(f"{self._arguments[3:]}: {tail(self._log)}")
        self.info = json.loads(line)
        return self.info

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._close()

    def stop(self, seconds: float = 20.0) -> int | None:
        """SIGTERM, and SIGKILL when it does not end in time. Returns its exit code."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        self._close()
        return code

    def _close(self) -> None:
        if self._keeper is not None:
            self._keeper.release()
            self._keeper = None
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()


def _first_line(process: subprocess.Popen[str]) -> str:
    output: IO[str] | None = process.stdout
    return output.readline() if output is not None else ""


def tail(path: Path, lines: int = 15) -> str:
    """The end of a log."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def run(arguments: list[str], log: Path, seconds: float = 120.0) -> str:
    """A command that ends by itself: its stdout. Raises `NotStarted` when it fails."""
    with log.open("ab") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "kaipiao.cli.main", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=seconds,
            check=False,
        )
    if done.returncode != 0:
        raise NotStarted(f"{arguments}: exit {done.returncode}: {tail(log)}")
    return done.stdout


def get(url: str, token: str | None = None, seconds: float = 5.0) -> Any:
    """The JSON behind a URL on loopback; None when there is no sound answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 — loopback
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310 — loopback
            return json.load(answer)
    except (OSError, urllib.error.URLError, ValueError):
        return None


def put(url: str, credential: str, body: bytes, seconds: float = 15.0) -> None:
    """PUT to an endpoint on loopback until it takes it. Raises `NotStarted`, at once for what it refuses."""
    headers = {"Authorization": f"Bearer {credential}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers, method="PUT")  # noqa: S310 — loopback
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310 — loopback
                return
        except OSError as silent:
            refused = isinstance(silent, urllib.error.HTTPError) and silent.code < 500
            if refused or time.monotonic() > end:
                raise NotStarted(f"{url} does not take it: {silent}") from silent
            time.sleep(0.2)


def wait_ready(url: str, seconds: float = START_SECONDS) -> None:
    """Until `/readyz` says yes. Raises `NotStarted`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = get(f"{url}/readyz")
        if isinstance(answer, dict) and answer.get("status") == "ready":
            return
        time.sleep(0.1)
    raise NotStarted(f"{url} is not ready after {seconds:.0f} s")
