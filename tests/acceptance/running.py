"""What acceptance tests share: the command as a user types it."""

from __future__ import annotations

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


def kaipiao(
    *arguments: str | Path, cwd: Path, stdin: bytes = b"", language: str = "zh_CN.UTF-8", seconds: float = 90
) -> Done:
    """Run the command and wait for it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KAIPIAO", "LC_", "LANG"))}
    done = subprocess.run(
        [sys.executable, "-m", "kaipiao.cli.main", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env={**environment, "LANG": language, "NO_COLOR": "1"},
        timeout=seconds,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
