"""A start that fails leaves nothing open, whichever step of it fails; the next start on the same directory works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kaipiao.app import Platform, platform
from kaipiao.authority import followed_clock
from kaipiao.authority.sandbox.server import serve
from kaipiao.authority.sandbox.settings import SandboxInfo, SandboxSettings
from kaipiao.authority.transport import Transport
from kaipiao.cli.setup import set_up
from kaipiao.issuing.node import Node
from kaipiao.ledger.sqlite import SqliteLedger
from kaipiao.ledger.sqlite.files import DirectoryLock
from kaipiao.settings import load

STEPS: dict[str, tuple[object, str]] = {
    "the ledger is opened": (SqliteLedger, "open"),
    "the clock is asked": (followed_clock, "first"),
    "the channel is read from the settings": (platform, "leqi_of"),
    "the channel is made": (platform, "LeqiChannel"),
    "the node is made": (platform, "Uploader"),
    "the taxpayers are written": (SqliteLedger, "save_taxpayers"),
    "the tenants are written": (SqliteLedger, "save_tenants"),
    "what happens to accounts is noted": (platform, "AccessNotes"),
    "the node starts": (Node, "start"),
    "certificates are looked at": (platform, "Certificates"),
    "the application is made": (platform, "create"),
}


class Interrupted(BaseException):
    """What ends a start may be no error at all: a cancellation, Ctrl-C."""


def fails(*_: object, **__: object) -> None:
    raise Interrupted


async def fails_to_start(home: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    opened, closed = [], []
    transport_made, transport_closed = Transport.__init__, Transport.close

    def note(wire: Transport, *arguments: object, **named: object) -> None:
        opened.append(wire)
        transport_made(wire, *arguments, **named)  # type: ignore[arg-type]

    async def note_close(wire: Transport) -> None:
        closed.append(wire)
        await transport_closed(wire)

    with monkeypatch.context() as patched:
        patched.setattr(Transport, "__init__", note)
        patched.setattr(Transport, "close", note_close)
        patched.setattr(*STEPS[step], fails)
        one = Platform(home, load(home))
        with pytest.raises(Interrupted):
            await one.start()
        await one.stop()  # nothing is left to stop
    assert set(opened) == set(closed), step
    assert one._executor._shutdown, step
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() in LOOPS] == [], step
    DirectoryLock(home).release()  # the directory is free


LOOPS = {"heads", "access", "clock", "numberer", "uploader", "poller", "asker", "supply", "leases", "shards"}


def test_a_start_that_fails_anywhere_closes_everything_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        ready: asyncio.Future[SandboxInfo] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        bureau = asyncio.create_task(
            serve(SandboxSettings(tmp_path / "bureau", rate_per_second=0.0), ready=ready.set_result, stop=stop)
        )
        info, home = await asyncio.wait_for(ready, 20), tmp_path / "data"
        set_up(home, info.to_json(), 0)
        try:
            for step in STEPS:
                await fails_to_start(home, monkeypatch, step)
            one = Platform(home, load(home))
            await one.start()
            assert {task.get_name() for task in asyncio.all_tasks()} >= LOOPS
            await one.stop()
            await one.stop()  # again is nothing
            assert {task.get_name() for task in asyncio.all_tasks()} & LOOPS == set()
        finally:
            stop.set()
            await bureau

    asyncio.run(story())
