"""What acceptance tests share: the command as a user types it."""

from __future__ import annotations

import atexit
import base64
import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Done:
    code: int
    out: str
    err: str

    def last(self) -> Any:
        return json.loads(self.out.splitlines()[-1])

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@functools.cache
def forker() -> subprocess.Popen[str]:
    """One for all tests of this process; it ends with it."""
    words = [sys.executable, str(Path(__file__).with_name("forking.py"))]
    environment = {**os.environ, "LANG": "zh_CN.UTF-8", "KAIPIAO_LANG": "zh"}
    made = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    atexit.register(end, made)
    return made


def end(process: subprocess.Popen[str]) -> None:
    with process:
        assert process.stdin is not None
        process.stdin.close()


def kaipiao(
    *arguments: str | Path, cwd: Path, stdin: bytes = b"", language: str = "zh_CN.UTF-8", seconds: float = 90
) -> Done:
    """Run the command as a process of its own and wait for it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KAIPIAO", "LC_", "LANG"))}
    request = {
        "arguments": [str(argument) for argument in arguments],
        "cwd": str(cwd),
        "environment": {**environment, "LANG": language, "NO_COLOR": "1"},
        "stdin": base64.b64encode(stdin).decode(),
        "seconds": seconds,
    }
    process = forker()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    done = json.loads(process.stdout.readline())
    if done["code"] is None:
        raise subprocess.TimeoutExpired("kaipiao", seconds)
    out, err = (base64.b64decode(done[name]).decode() for name in ("out", "err"))
    return Done(done["code"], out, err)
