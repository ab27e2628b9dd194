"""Killed at any moment, the bureau comes back with everything that it answered."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kaipiao.authority.sandbox.books import export_books
from kaipiao.authority.sandbox.server import serve
from kaipiao.authority.sandbox.settings import SandboxInfo, SandboxSettings
from kaipiao.errors import DirectoryInUse, NotFound, SettingsFault

from .conftest import START, Killable
from .outside import Outside, invoice

BROKEN = (ConnectionError, http.client.HTTPException, ssl.SSLError, TimeoutError)
KILLABLE = Callable[..., Killable]


def run_briefly(settings: SandboxSettings) -> None:
    """Start in this process; a bureau that is not refused would run on, and fails the test."""
    asyncio.run(asyncio.wait_for(serve(settings), 5))


def test_a_second_start_goes_on_with_keys_books_clock_and_port(sandbox: START) -> None:
    first = sandbox(start=datetime(2026, 3, 3, tzinfo=UTC), speed=2.0)
    first.download()
    number = first.pull(5)[0]
    assert first.confirmed([invoice(first, number)]) == ["00"]
    first.advance(86_400)
    before = first.now()
    ca = Path(first.info["ca_file"]).read_bytes()
    sandbox.stop()  # type: ignore[attr-defined]
    again = sandbox(start=datetime(2030, 1, 1, tzinfo=UTC), speed=1.0, port=first.address[1])
    secret = {name: first.info[name] for name in ("jrdwptbh", "sydwptbh", "ylbm", "sm4_key", "url", "taxpayers")}
    assert {name: again.info[name] for name in secret} == secret
    assert Path(again.info["ca_file"]).read_bytes() == ca
    assert 0 <= (again.now() - before).total_seconds() < 60
    assert [entry["number"] for entry in again.books()] == [number]
    old = Outside(first.info | {"admin": again.info["admin"]})
    assert old.confirmed([invoice(old, number)]) == ["03"], "the first start's client goes on working"
    old.close()


def test_serials_are_remembered_across_a_kill(killable: KILLABLE) -> None:
    first = killable()
    asked = {"nsrsbh": first.client.taxpayer, "lysl": 10, "ywlsh": first.client.serial()}
    numbers = first.client.call("QDFPPLFM", asked)
    serial = first.client.serial()
    quota = first.client.download("10.00", serial=serial)
    first.kill()
    second = killable()
    assert second.client.call("QDFPPLFM", asked) == numbers
    assert second.client.download("10.00", serial=serial) == quota
    assert second.client.call("CXSXED", {"nsrsbh": second.client.taxpayer})["yxzed"] == "10.00"


def test_every_answered_submission_survives_kills_in_the_middle_of_uploads(killable: KILLABLE, tmp_path: Path) -> None:
    answered: list[tuple[str, list[str]]] = []
    bureau = killable()
    bureau.client.download()
    for turn in range(3):
        client, process = bureau.client, bureau.process
        numbers = client.pull(1000)
        ready = [[invoice(client, number) for number in numbers[at : at + 20]] for at in range(0, 1000, 20)]
        killer = threading.Timer(0.15 + 0.07 * turn, process.kill)
        killer.start()
        try:
            for items in ready:
                answered.append((client.upload(items), [str(item["fphm"]) for item in items]))
        except BROKEN:
            client.close()
        killer.join()
        process.wait(10)
        bureau = killable()
    assert answered, "nothing was answered before the kills"
    bureau.client.advance(30)
    for sllsh, numbers in answered:
        assert [(r["fphm"], r["status"]) for r in bureau.client.poll(sllsh)] == [(n, "00") for n in numbers]
    books = [str(entry["number"]) for entry in bureau.client.books()]
    assert {number for _, numbers in answered for number in numbers} <= set(books)
    assert len(books) == len(set(books))
    used = float(bureau.client.call("CXSXED", {"nsrsbh": bureau.client.taxpayer})["yxzwsyed"])
    assert used == 1_000_000 - 100 * len(books), "quota and books agree"
    bureau.kill()
    assert [entry["number"] for entry in export_books(tmp_path / "bureau")] == books


def test_a_late_commit_survives_a_kill(killable: KILLABLE) -> None:
    first = killable()
    first.client.download()
    item = invoice(first.client, first.client.pull(1)[0])
    first.client.order({"kind": "late", "count": 1, "seconds": [200, 200]})
    with pytest.raises(BROKEN):
        first.client.upload([item])
    first.kill()
    second = killable()
    assert second.client.books() == []
    second.client.advance(201)
    assert [entry["number"] for entry in second.client.books()] == [item["fphm"]]


def test_a_late_commit_comes_by_itself_without_any_call(sandbox: START) -> None:
    bureau = sandbox(speed=100.0)
    bureau.download()
    item = invoice(bureau, bureau.pull(1)[0])
    bureau.order({"kind": "late", "count": 1, "seconds": [20, 20]})
    with pytest.raises(BROKEN):
        bureau.upload([item])
    deadline = time.monotonic() + 5
    while not bureau.books():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_processes_on_one_directory_the_second_is_refused(killable: KILLABLE, tmp_path: Path) -> None:
    first = killable()
    with pytest.raises(DirectoryInUse):
        run_briefly(SandboxSettings(tmp_path / "bureau"))
    assert first.client.call("CXKYSL", {})["returncode"] == "00"


def test_a_taken_port_is_an_error_of_the_settings(sandbox: START, tmp_path: Path) -> None:
    bureau = sandbox()
    with pytest.raises(SettingsFault):
        run_briefly(SandboxSettings(tmp_path / "other", port=bureau.address[1]))
    assert bureau.call("CXKYSL", {})["returncode"] == "00"


def test_a_broken_identity_is_named_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "identity.json").write_text("{")
    with pytest.raises(SettingsFault):
        run_briefly(SandboxSettings(tmp_path))
    assert (tmp_path / "identity.json").read_text() == "{"


def test_secrets_are_files_of_their_owner_only(bureau: Outside) -> None:
    folder = Path(bureau.info["ca_file"]).parent
    for name in ("identity.json", "ca.key", "client.key", "server.key"):
        assert (folder / name).stat().st_mode & 0o077 == 0


def test_books_of_nobody_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        list(export_books(tmp_path))


def test_a_cancelled_bureau_cleans_up_and_its_directory_is_free(tmp_path: Path) -> None:
    async def once() -> SandboxInfo:
        came: asyncio.Future[SandboxInfo] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve(SandboxSettings(tmp_path / "bureau"), ready=came.set_result))
        info = await came
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return info

    first, second = asyncio.run(once()), asyncio.run(once())
    assert first.sm4_key == second.sm4_key
