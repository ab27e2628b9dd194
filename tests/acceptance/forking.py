"""Runs commands as processes of their own that need not import everything again: `python forking.py`, one request a line.

A request is a JSON object: arguments, cwd, environment, stdin (text in base64), seconds. The answer: code (None when it took
too long and was killed), out and err, in base64. The program is imported once, in Chinese; a command that may speak another
language imports the command line anew.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import tempfile
import time
from typing import IO, Any

import kaipiao.cli.main  # noqa: F401 — what the children begin with

LOOK = 0.01  # seconds


def child(request: dict[str, Any], streams: list[IO[bytes]]) -> None:
    """Never returns."""
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["kaipiao", *request["arguments"]]
    if any(word.startswith("--lang") for word in sys.argv) or not os.environ["LANG"].startswith("zh"):
        for name in [name for name in sys.modules if name.startswith("kaipiao.cli")]:
            del sys.modules[name]
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))
    code: object = 1
    try:
        from kaipiao.cli.main import main

        main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def wait(pid: int, seconds: float) -> int | None:
    end = time.monotonic() + seconds
    while not (found := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        time.sleep(LOOK)
    return os.waitstatus_to_exitcode(found[1])


def answer(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(base64.b64decode(request["stdin"]))
        given.seek(0)
        pid = os.fork()
        if pid == 0:
            child(request, [given, out, err])
        code = wait(pid, request["seconds"])
        out.seek(0)
        err.seek(0)
        return {
            "code": code,
            "out": base64.b64encode(out.read()).decode(),
            "err": base64.b64encode(err.read()).decode(),
        }


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    for line in requests:
        replies.write(json.dumps(answer(json.loads(line))) + "\n")
        replies.flush()
