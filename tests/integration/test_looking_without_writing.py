"""A data directory that cannot be written is looked at all the same, and stays as it is."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kaipiao.cli.main import app
from kaipiao.cli.setup import set_up
from kaipiao.cli.stand_in import lookable
from kaipiao.errors import DirectoryInUse, LedgerFault
from kaipiao.ledger.port import Taxpayer
from kaipiao.ledger.sqlite import SqliteLedger
from kaipiao.ledger.sqlite.files import DirectoryLock

SELLER = Taxpayer("91440300MA5EXAMPL0", "default", "示例公司", ("leqi",))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As a server leaves it that was killed, on a mount that is read-only."""
    running = tmp_path / "running"
    set_up(running, None, 0)

    async def killed() -> None:
        ledger = SqliteLedger(running)
        await ledger.open()
        await ledger.save_taxpayers([SELLER])
        shutil.copytree(running, tmp_path / "home")
        await ledger.close()

    asyncio.run(killed())
    home = tmp_path / "home"
    (home / "server.json").write_text('{"url":"http://127.0.0.1:1","pid":1}')
    access = os.access

    def denied(path: Path | str, mode: int) -> bool:
        """Root may write whatever a mode says."""
        return not (Path(path) == home and mode & os.W_OK) and access(path, mode)

    monkeypatch.setattr(os, "access", denied)
    home.chmod(0o500)
    return home


def state(home: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in (home, *home.rglob("*"))}


@pytest.mark.parametrize("words", [["status"], ["list"], ["audit", "verify"], ["books"], ["keys", "list"]])
def test_what_only_looks_works_and_leaves_no_trace(home: Path, tmp_path: Path, words: list[str]) -> None:
    before = state(home)
    done = CliRunner().invoke(app, [*words, "-d", str(home)], env={"TMPDIR": str(tmp_path)})
    assert done.exit_code == 0, done.output
    assert state(home) == before


def test_what_the_killed_server_had_in_its_log_is_there_and_no_key_is_copied(home: Path) -> None:
    assert (home / "ledger.db-wal").stat().st_size > 0

    async def taxpayers(place: Path) -> list[Taxpayer]:
        ledger = SqliteLedger(place)
        await ledger.open()
        try:
            return await ledger.taxpayers()
        finally:
            await ledger.close()

    with lookable(home) as place:
        assert place != home
        assert asyncio.run(taxpayers(place)) == [SELLER]
        assert (place / "keys").is_symlink()
        assert not (place / "server.json").exists()
    assert not place.exists()


def test_a_server_that_has_the_directory_is_asked_instead(home: Path) -> None:
    home.chmod(0o700)
    held = DirectoryLock(home)
    try:
        with pytest.raises(DirectoryInUse), lookable(home):
            raise AssertionError("a copy of what is being written")
    finally:
        held.release()


def test_a_ledger_that_is_written_while_it_is_copied_is_not_believed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def copied_late(source: Path, target: Path) -> None:
        copy(source, target)
        with source.open("ab") as file:
            file.write(b"x")

    monkeypatch.setattr(shutil, "copyfile", copied_late)
    with pytest.raises(LedgerFault, match="snapshot"), lookable(home):
        raise AssertionError("a torn copy")


def test_a_directory_that_can_be_written_is_looked_at_itself(tmp_path: Path) -> None:
    with lookable(tmp_path) as place:
        assert place == tmp_path
    with lookable(tmp_path / "absent") as place:
        assert place == tmp_path / "absent"
