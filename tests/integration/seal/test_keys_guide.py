"""The how-to page about keys, word by word: every command block of it runs in an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "bring-your-own-keys.md"


@pytest.mark.skipif(
    os.name == "nt" or shutil.which("openssl") is None, reason="the page's commands are for a POSIX shell with openssl"
)
def test_the_commands_of_the_page_run_as_they_stand(tmp_path: Path) -> None:
    script = "set -e\n" + "".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "KAIPIAO_LANG": "en"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "taxpayer.seal" in done.stderr
    assert "BEGIN CERTIFICATE" in (tmp_path / "seal-own.pem").read_text()
    assert "The KEK was changed" in done.stderr
