"""What a test, a demo or a storm has started ends with it, however it dies: kill -9 leaves no chance to clean up.

The keeper is a shell in a session of its own that reads from a pipe. Only the starter holds the other end: when that is
closed without a word, the starter is dead.
"""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from pathlib import Path

# $1: signal to begin with; $2: folder to remove, or nothing. After five seconds it is SIGKILL.
_SCRIPT = """
IFS= read -r pid || exit 0
IFS= read -r _ && exit 0
kill -s "$1" "$pid" 2>/dev/null
count=0
while kill -0 "$pid" 2>/dev/null && [ "$count" -lt 50 ]; do sleep 0.1; count=$((count + 1)); done
kill -s KILL "$pid" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"
"""


class Keeper:
    """Begin before the process, name it with `keep`, and `release` when it has ended."""

    def __init__(self, first: signal.Signals, folder: Path | None = None) -> None:
        """`first`: the signal that ends the process, SIGKILL following; `folder`: removed with it."""
        words = ["/bin/sh", "-c", _SCRIPT, "keeper", first.name.removeprefix("SIG"), str(folder or "")]
        self._shell = subprocess.Popen(
            words, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def keep(self, pid: int) -> None:
        self._write(f"{pid}\n".encode())

    def release(self) -> None:
        """Its process has ended: the number may be another's soon."""
        with suppress(BrokenPipeError):
            self._write(b"ended\n")
        assert self._shell.stdin is not None
        with suppress(BrokenPipeError):
            self._shell.stdin.close()
        self._shell.wait()

    def _write(self, line: bytes) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(line)
        self._shell.stdin.flush()
