"""What is measured, set up as real processes: the bureau, the platform, the conventional stack, and the shop that loads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.processes import Command

HERE = Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
SPEED = 10.0  # of the bureau's clock: its limit of calls a second is not what is measured
CONNECTIONS = 32
FASTEST = 2500.0  # sales a second that no row reaches
# A bureau that is back is noticed within 0.2 s of real time, and there are numbers for as long as it is away.
POLICY = '\n[policy]\nbackoff_most = 2.0\nsegment_size = 5000\nquota_step = "3000000.00"\n'


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class TunedPlatform(Command):
    """The platform of a bench with `POLICY` in its settings, and `server` among those of its server."""

    def __init__(self, directory: Path, server: str) -> None:
        super().__init__(["serve", "-d", str(directory / "platform"), "--json"], directory / "platform.log")
        self._settings = directory / "platform" / "kaipiao.toml"
        self._server = server

    def start(self) -> dict[str, Any]:
        settings = self._settings.read_text(encoding="utf-8")
        if not settings.endswith(POLICY):
            assert settings.count("[server]\n") == 1
            tuned = settings.replace("[server]\n", "[server]\n" + self._server)
            self._settings.write_text(tuned + POLICY, encoding="utf-8")
        return super().start()


class Stand:
    """A bureau and a platform, with its ledger at the URL `database` or in its own directory. Everything else lies below
    `directory`. `server`: further settings of the platform's server."""

    def __init__(self, directory: Path, database: str | None = None, *, server: str = "") -> None:
        self.directory = directory
        self.bench = Bench(directory, Sizes(speed=SPEED, start="2026-11-03T09:00:00+08:00", database=database))
        self.bench.nodes[:] = [TunedPlatform(directory, server)]

    def start(self) -> None:
        self.bench.set_up()

    def close(self) -> None:
        """At once: nothing of it is needed any more."""
        for process in (*self.bench.nodes, self.bench.bureau):
            process.kill()

    @property
    def pid(self) -> int:
        pid = self.bench.platform.pid
        assert pid is not None
        return pid

    def load(self, prefix: str, **options: float) -> dict[str, Any]:
        return load(self.bench.url(), self.bench.token, self.bench.seller, prefix, **options)

    def metric(self, sample: str) -> float:
        """Its value; `sample` with its labels, as the page of metrics writes it."""
        asked = urllib.request.Request(
            f"{self.bench.url()}/metrics", headers={"Authorization": f"Bearer {self.bench.token}"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample + " "))

    def states(self) -> dict[str, int]:
        """How many invoices stand in each state."""
        status = self.bench.status()
        assert status is not None
        return dict(status["taxpayers"][0]["states"])

    def not_uploaded(self) -> int:
        states = self.states()
        return sum(states.get(state, 0) for state in ("accepted", "issued", "uploading"))

    def uploaded(self) -> int:
        return sum(self.states().values()) - self.not_uploaded()


@contextmanager
def conventional(stand: Stand, ours: bool) -> Iterator[str]:
    """The URL of the conventional stack, on the same bureau. `ours`: with our SM2."""
    database = stand.directory / f"conventional-{ours}.db"
    arguments = [str(HERE / "conventional" / "app.py"), str(stand.directory / "bureau.json"), str(database)]
    with (stand.directory / "conventional.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments, *(["--our-sm2"] if ours else [])],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        _wait_open(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait_open(url: str, process: subprocess.Popen[str]) -> None:
    """Until it answers anything at all."""
    while process.poll() is None:
        try:
            urllib.request.urlopen(url + "/openapi.json", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the conventional stack did not start")


def load(url: str, token: str, seller: str, prefix: str, **options: float) -> dict[str, Any]:
    """Run the shop of `load.py` in a process of its own; its report."""
    process = start_load(url, token, seller, prefix, **options)
    output, _ = process.communicate()
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def _enough(options: Mapping[str, float]) -> dict[str, float]:
    """How many sales a shop makes beforehand when only its time is given: making them takes time of its own."""
    if "seconds" not in options:
        return {}
    return {"count": int(options["seconds"] * options.get("rate", FASTEST)) + 1}


def start_load(url: str, token: str, seller: str, prefix: str, **options: float) -> subprocess.Popen[str]:
    given = {"connections": CONNECTIONS, **_enough(options), **options}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    process = subprocess.Popen(
        [sys.executable, str(HERE / "load.py"), url, "--seller", seller, "--prefix", prefix, *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(token + "\n")
    process.stdin.flush()
    return process
