"""A stranger's afternoon: docs/how-to/first-integration.md, its code blocks executed word by word in an empty place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "first-integration.md"
BLOCK = re.compile(r"(?:`(\w+\.py)`[^\n]*\n\n)?```(sh|python)\n(.*?)```", re.DOTALL)


def steps() -> list[tuple[str, str, str]]:
    """(file name, language, text) of every block of the page, in order."""
    found = BLOCK.findall(PAGE.read_text("utf-8"))
    assert len(found) == len(re.findall(r"^```\w", PAGE.read_text("utf-8"), re.MULTILINE))
    return found


def test_the_first_integration_works_as_written(tmp_path: Path) -> None:
    script = ["set -e", "set -m"]
    for name, language, text in steps():
        if language == "python":
            assert name, "a program without a name to save it under"
            (tmp_path / name).write_text(text, encoding="utf-8")
        else:
            script.append(text)
    paths = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    clean = {"PATH": paths, "HOME": str(tmp_path / "home"), "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    log = (tmp_path / "platform.log").read_text("utf-8") if (tmp_path / "platform.log").exists() else ""
    assert done.returncode == 0, (done.stdout, done.stderr, log[-2000:])
    said = done.stdout
    assert said.startswith("106.00\n")
    assert re.search(r"^\d{20} 106\.00 ", said, re.MULTILINE)
    assert re.search(r"^KP-RULE-00 after_change \['", said, re.MULTILINE)
    assert "KP-ORDER-01" in said
    assert "\n199 1\n" in said
    assert "\nSO-3001 20\nTrue confirmed\n" in said
    assert re.search(r"^\d+ confirmed$", said, re.MULTILINE)
    assert '"order":"SO-1001"' in said
    assert (tmp_path / "first.xml").read_bytes().startswith(b"<?xml")
