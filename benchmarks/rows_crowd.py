"""Memory of the platform under a crowd: idle connections, orders that wait for their turn, orders that wait in the ledger.

Each row starts a bureau and a platform of its own. What is told is the growth of the platform's resident memory (VmRSS)
from just before; what kernels hold for sockets is not in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry import Row, Run, say
from stand import HERE, Stand

CROWD = 10_000
QUEUED = 100_000
# Nothing of the crowd is sent away before it was looked at; one order at a time, so that nearly all wait.
PATIENT = "head_s = 600.0\nkeepalive_s = 600.0\nsource_share = 1.0\n"
WAITING = f"{PATIENT}work_max = 1\nwork_min = 1\nqueue_max = {2 * CROWD}\nwait_s = 600.0\n"


def idle_connection_kb(run: Run) -> float:
    with _stand(run, "idle", PATIENT) as stand, _crowd(stand) as (crowd, before):
        _say_open(crowd)
        time.sleep(1)
        return (_resident_kb(stand.pid) - before) / CROWD


def inflight_connection_kb(run: Run) -> float:
    """Orders whose bodies were read and that wait for their turn."""
    with _stand(run, "inflight", WAITING) as stand:
        options = ["--orders", "inflight", "--seller", stand.bench.seller]
        with _crowd(stand, *options) as (crowd, before):
            _say_open(crowd)
            waiting = _most_waiting(stand)
            grown = _resident_kb(stand.pid) - before
            say(f"  {waiting:.0f} orders wait, {grown / 1024:.0f} MB more than before")
            return grown / waiting


def queued_100k_mb(run: Run) -> float:
    """Accepted orders and issued invoices that wait in the ledger while the bureau is away."""
    with _stand(run, "queued", "requests_per_second = 1000000.0\n") as stand:
        stand.load("warm", count=2000, later=1)
        stand.bench.bureau.stop()
        before = _resident_kb(stand.pid)
        report = stand.load("queued", count=QUEUED, later=1)
        grown = (_resident_kb(stand.pid) - before) / 1024
        say(f"  {report['ok']} accepted, {report['per_second']}/s; they stand: {stand.states()}")
        return float(grown * QUEUED / report["ok"])


@contextmanager
def _stand(run: Run, name: str, server: str) -> Iterator[Stand]:
    """A bureau and a platform with these further settings of its server."""
    stand = Stand(run.scratch() / name, server=server)
    try:
        stand.start()
        yield stand
    finally:
        stand.bench.close()


@contextmanager
def _crowd(stand: Stand, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The crowd, and the platform's memory in kB before it came."""
    stand.load("warm", count=500)
    before = _resident_kb(stand.pid)
    crowd = subprocess.Popen(
        [sys.executable, str(HERE / "crowd.py"), stand.bench.url(), "--count", str(CROWD), *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert crowd.stdin is not None
    crowd.stdin.write(stand.bench.token + "\n")
    crowd.stdin.flush()
    try:
        yield crowd, before
    finally:
        crowd.terminate()
        crowd.communicate()


def _say_open(crowd: subprocess.Popen[str]) -> None:
    assert crowd.stdout is not None
    found = json.loads(crowd.stdout.readline())["open"]
    say(f"  {found} connections are open")
    if found < CROWD:
        raise RuntimeError("not all connections could be opened: see ulimit -Hn")


def _most_waiting(stand: Stand) -> float:
    """How many orders wait, when no more come."""
    before, waiting = -1.0, 0.0
    while waiting > before:
        before = waiting
        time.sleep(0.5)
        waiting = stand.metric('kaipiao_orders_waiting{class="sale"}')
    return waiting


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split(maxsplit=1)[0])


ROWS = [
    Row("idle_connection_kb", "≤ 10", idle_connection_kb, long=True),
    Row("inflight_connection_kb", "≤ 30", inflight_connection_kb, long=True),
    Row("queued_100k_mb", "≤ 50", queued_100k_mb, long=True),
]
