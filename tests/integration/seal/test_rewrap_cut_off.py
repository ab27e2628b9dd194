"""A change of the key-encryption key that is killed: the server starts again, whatever step it had come to."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kaipiao.access.keys import key_store
from kaipiao.app import Platform
from kaipiao.cli.setup import set_up
from kaipiao.errors import KekRefused, WrongKek
from kaipiao.seal.importing.rotation import rotate
from kaipiao.settings import load

# Dies before the n-th time that a file's name or content is about to change; 0 as exit status: there was no n-th.
KILLED = """
import os, sys
from pathlib import Path
from kaipiao.seal.importing.rotation import rotate

left = int(sys.argv[2])
keys = Path(sys.argv[1]) / "keys"

def look(event, arguments):
    global left
    if event in ("os.rename", "os.link", "os.remove") or (event == "open" and arguments[2] & os.O_CREAT):
        left -= 1
        if left == 0:
            os._exit(9)

sys.addaudithook(look)
rotate(keys, keys / "kek")
"""


def killed_at(home: Path, step: int) -> int:
    return subprocess.run([sys.executable, "-c", KILLED, str(home), str(step)], check=False, timeout=60).returncode


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("rewrap") / "untouched"
    set_up(home, None, 0)
    key_store(home, load(home)).create("seal", "SM2", "seal-1")
    return home


def started(home: Path) -> None:
    """As the server does it: the keys of the trail and of the tokens are opened; then every other."""
    platform = Platform(home, load(home))

    async def run() -> None:
        await platform.start(issuing=False)
        await platform.stop()

    asyncio.run(run())
    store = key_store(home, load(home))
    assert store.sealer("seal-1").seal(b"invoice")
    assert len(store.list()) == 4


def test_the_server_starts_after_a_rewrap_that_was_killed_at_any_step(untouched: Path, tmp_path: Path) -> None:
    step, ended = 0, False
    while not ended:
        step += 1
        home = tmp_path / f"step-{step}"
        shutil.copytree(untouched, home)
        ended = killed_at(home, step) == 0
        started(home)
        rotate(home / "keys", home / "keys" / "kek")
        assert not (home / "keys" / "kek.next").exists()
        started(home)
    assert step > 12  # the new KEK, three keys, the KEK itself: each is written, named, and its former name taken away


def test_a_second_kek_is_read_but_not_believed(untouched: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(untouched, home)
    following = home / "keys" / "kek.next"
    following.write_text("no key")
    following.chmod(0o600)
    with pytest.raises(KekRefused, match=r"kek\.next"):
        key_store(home, load(home))
    following.unlink()
    following.write_text("ab" * 32)
    following.chmod(0o640)
    with pytest.raises(KekRefused, match="others"):
        key_store(home, load(home))


def test_seals_of_a_running_server_are_shown_after_a_rewrap(untouched: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(untouched, home)
    running = Platform(home, load(home))
    before = running._public("seal-1")
    rotate(home / "keys", home / "keys" / "kek")
    assert running._public("seal-1").point == before.point
    (home / "keys" / "kek").write_text("ab" * 32)
    with pytest.raises(WrongKek):
        Platform(home, load(home))
