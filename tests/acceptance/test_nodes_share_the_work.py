"""Two nodes on one PostgreSQL, as processes: one works for the taxpayer, both serve; killed, the other goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.calls import at_once, calls
from kaipiao_lab.processes import get, run
from postgresql_server import server_or_skip

LEASE = 4.0  # real seconds


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Bench]:
    server = server_or_skip()

    async def on_server(statement: str) -> None:
        connection = await asyncpg.connect(server.url())
        await connection.execute(statement)
        await connection.close()

    asyncio.run(on_server("CREATE DATABASE shared_by_nodes"))
    url = server.url("shared_by_nodes")
    sizes = Sizes(speed=60.0, start="2026-11-03T09:00:00+08:00", nodes=2, database=url, policy={"shard_seconds": LEASE})
    bench = Bench(tmp_path / "bench", sizes)
    try:
        bench.set_up()
        yield bench
    finally:
        bench.close()
        asyncio.run(on_server("DROP DATABASE shared_by_nodes WITH (FORCE)"))


def test_the_other_node_takes_over_when_the_one_that_makes_the_calls_is_killed(nodes: Bench) -> None:
    shop = nodes.open_shop()
    shop.sell(60, 60)
    assert nodes.wait_settled(60) == 0
    before = [call for call in calls(nodes.logs()) if call.taxpayer == nodes.seller]
    assert {"numbers", "upload", "poll"} <= {call.service for call in before}
    holder, other = sorted(("platform", "platform-2"), key=lambda node: node != before[-1].node)

    nodes.nodes[holder == "platform-2"].kill()
    killed = time.time()
    shop.sell(20, 60)
    assert nodes.wait_settled(60) == 0
    after = [call for call in calls(nodes.logs()) if call.began > killed and call.taxpayer == nodes.seller]
    assert {call.node for call in after} == {other}
    assert {"upload", "poll"} <= {call.service for call in after}
    assert at_once(calls(nodes.logs())) == []
    nodes.close()
    found = nodes.audit()
    assert (found.acknowledged, found.confirmed, found.lost, found.doubled) == (80, 80, 0, 0)


def test_a_token_revoked_in_the_directory_of_one_node_is_refused_by_the_other(nodes: Bench) -> None:
    place, log = str(nodes.directory / "platform"), nodes.directory / "revoke.log"
    made = json.loads(run(["token", "-d", place, "--role", "admin", "--json"], log))
    status = f"{nodes.nodes[1].info['url']}/v1/status"
    assert get(status, made["token"]) is not None
    run(["token", "revoke", made["jti"], "-d", place], log)
    until = time.monotonic() + 15
    while get(status, made["token"]) is not None:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert get(status, nodes.token) is not None, "others are let in as before"
