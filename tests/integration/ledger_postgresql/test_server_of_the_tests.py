"""The server that tests, demo and storms start; the server of others that tests may be run on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao.ledger.postgresql import PostgresqlLedger
from postgresql_server import NotForTests, Server, claim

_STARTER = """
import time
from kaipiao_lab.postgresql import new_server
server = new_server()
print(server.process.pid, server.home, flush=True)
time.sleep(300)
"""


def test_a_server_ends_when_its_starter_is_killed(own_server: Server) -> None:
    """`own_server`: so that a machine that has none says so."""
    starter = subprocess.Popen([sys.executable, "-c", _STARTER], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid, home = starter.stdout.readline().split()
    assert _is_there(int(pid))
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    end = time.monotonic() + 20
    while (_is_there(int(pid)) or Path(home).exists()) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _is_there(int(pid))
    assert not Path(home).exists()


def _is_there(pid: int) -> bool:
    """A child of pid 1 that has ended may stay as a zombie where that does not look after it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def on(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "foreign", ["CREATE TABLE customers (x int)", "CREATE SCHEMA other; CREATE VIEW other.v AS SELECT 1"]
)
def test_a_database_that_holds_anything_of_others_is_not_emptied(own_server: Server, foreign: str) -> None:
    on(own_server.url(), "CREATE DATABASE foreign_tables")
    try:
        url = own_server.url("foreign_tables")
        on(url, foreign)
        with pytest.raises(NotForTests, match=r"customers|other\.v"):
            claim(url)
    finally:
        on(own_server.url(), "DROP DATABASE foreign_tables")


def test_a_ledger_that_the_tests_did_not_begin_is_not_emptied_and_their_own_is(own_server: Server) -> None:
    async def in_use(url: str) -> None:
        ledger = PostgresqlLedger(url, pool_min=1, pool_max=8)
        await ledger.open()
        await ledger.close()

    for name in ("a_ledger", "for_tests"):
        on(own_server.url(), f"CREATE DATABASE {name}")
    try:
        asyncio.run(in_use(own_server.url("a_ledger")))
        with pytest.raises(NotForTests, match="ledger"):
            claim(own_server.url("a_ledger"))
        claim(own_server.url("for_tests"))
        asyncio.run(in_use(own_server.url("for_tests")))
        claim(own_server.url("for_tests"))
    finally:
        for name in ("a_ledger", "for_tests"):
            on(own_server.url(), f"DROP DATABASE {name}")
