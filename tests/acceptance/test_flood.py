"""Far more orders than can be worked on, at a real `kaipiao serve`: who is refused was not stored, who was answered is in the
ledger, and a caller beside the flood does not feel it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.processes import Command, get, run
from kaipiao_lab.sales import Sales

QUEUE = 60
SETTINGS = f"""work_max = 2
work_min = 2
queue_max = {QUEUE}
wait_s = 300.0
lag_s = 60.0
requests_per_second = 100000.0
"""


class Narrow(Command):
    """A platform that works on two orders at once and lets few wait."""

    def __init__(self, home: Path, log: Path) -> None:
        super().__init__(["serve", "-d", str(home), "--json"], log)
        self._settings = home / "kaipiao.toml"

    def start(self) -> dict[str, object]:
        text = self._settings.read_text("utf-8")
        if "work_max" not in text:
            self._settings.write_text(text.replace("[server]\n", "[server]\n" + SETTINGS), encoding="utf-8")
        return super().start()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("narrow"), Sizes(speed=60.0, start="2026-11-03T09:00:00+08:00"))
    made.nodes[:] = [Narrow(made.directory / "platform", made.directory / "platform.log")]
    try:
        made.set_up()
        yield made
    finally:
        made.close()


class Till(asyncio.Protocol):
    """One connection, one order. `answered`: how many of all tills were answered when this one was, it among them."""

    count = 0

    def __init__(self) -> None:
        self.said = b""
        self.answered = 0
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if not self.said:
            Till.count += 1
            self.answered = Till.count
        self.said += data

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    @property
    def status(self) -> int:
        return int(self.said[9:12] or 0)


def order_of(body: bytes) -> str:
    return str(json.loads(body)["order"])


def orders(bench: Bench, count: int) -> list[bytes]:
    sales = Sales(bench.seller, count, f"flood{time.time_ns()}")
    return [json.dumps(sales.next()).encode() for _ in range(count)]


async def send(bench: Bench, body: bytes, token: str, more: str = "") -> tuple[asyncio.Transport, Till]:
    place = urlsplit(bench.url())
    head = f"POST /v1/invoices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n{more}"
    transport, till = await asyncio.get_running_loop().create_connection(Till, place.hostname or "", place.port or 0)
    transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return transport, till


async def flooded(bench: Bench, bodies: list[bytes], more: str = "") -> list[Till]:
    """All at once; what each was answered."""
    tills = [till for _, till in await asyncio.gather(*(send(bench, body, bench.token, more) for body in bodies))]
    await asyncio.wait_for(asyncio.gather(*(till.ended for till in tills)), 60)
    return tills


def found(bench: Bench, order: str) -> list[dict[str, object]]:
    answer = get(f"{bench.url()}/v1/invoices?{urlencode({'order': order})}", bench.token)
    return answer if isinstance(answer, list) else []


def test_of_a_flood_each_is_answered_and_in_the_ledger_or_refused_and_not(narrow: Bench) -> None:
    bodies = orders(narrow, 200)

    async def story() -> list[Till]:
        running = asyncio.create_task(flooded(narrow, bodies))
        for path in ("/healthz", "/readyz", "/v1/status", "/v1/invoices?limit=1"):  # beside it, not behind it
            assert await asyncio.to_thread(get, narrow.url() + path, narrow.token, 20.0) is not None
        return await running

    tills = asyncio.run(story())
    told = {order_of(body): till for body, till in zip(bodies, tills, strict=True)}
    assert {till.status for till in tills} == {201, 429}
    for order, till in told.items():
        head, _, body = till.said.partition(b"\r\n\r\n")
        answer, books = json.loads(body), found(narrow, order)
        if till.status == 201:
            assert [one["number"] for one in books] == [answer["number"]]
        else:
            assert books == []
            assert (answer["code"], answer["reason"], answer["send_again"]) == ("KP-HTTP-06", "queue", "safe")
            assert b"\r\nretry-after: " in head.lower()
    refused = [body for body, till in zip(bodies, tills, strict=True) if till.status == 429]
    again = asyncio.run(flooded(narrow, refused[: QUEUE // 2]))
    assert {till.status for till in again} == {201}


def test_beside_the_flood_of_one_the_order_of_another_is_the_next_but_few(narrow: Bench) -> None:
    other = run(["token", "-d", str(narrow.directory / "platform"), "--role", "admin", "--subject", "other"],
                narrow.directory / "setup.log").strip()  # fmt: skip
    flood, single = orders(narrow, QUEUE), orders(narrow, 1)[0]

    async def story() -> tuple[int, Till, list[Till]]:
        tills = [till for _, till in await asyncio.gather(*(send(narrow, body, narrow.token) for body in flood))]
        before = Till.count
        _, mine = await send(narrow, single, other)
        await asyncio.wait_for(asyncio.gather(mine.ended, *(till.ended for till in tills)), 60)
        return before, mine, tills

    before, mine, tills = asyncio.run(story())
    assert mine.status == 201
    later = sum(till.answered > mine.answered for till in tills)
    assert later >= (QUEUE - (before - min(till.answered for till in tills) + 1)) // 2, "it waited behind the flood"


def test_callers_that_leave_the_queue_harm_nobody_and_get_one_invoice_when_they_come_back(narrow: Bench) -> None:
    bodies = orders(narrow, QUEUE)

    async def story() -> list[Till]:
        sent = await asyncio.gather(*(send(narrow, body, narrow.token) for body in bodies))
        for transport, _ in sent[::2]:
            transport.abort()
        await asyncio.wait_for(asyncio.gather(*(till.ended for _, till in sent)), 60)
        return [till for _, till in sent[1::2]]

    assert {till.status for till in asyncio.run(story())} == {201}
    again = asyncio.run(flooded(narrow, bodies[::2]))
    assert {till.status for till in again} <= {200, 201}
    assert all(len(found(narrow, order_of(body))) == 1 for body in bodies)


def test_every_accepted_order_of_a_flood_gets_its_number(narrow: Bench) -> None:
    bodies = orders(narrow, 150)
    tills = asyncio.run(flooded(narrow, bodies, "Prefer: respond-async\r\n"))
    assert {till.status for till in tills} == {202, 429}
    accepted = [order_of(body) for body, till in zip(bodies, tills, strict=True) if till.status == 202]
    refused = [order_of(body) for body, till in zip(bodies, tills, strict=True) if till.status == 429]
    end = time.monotonic() + 30
    while any(found(narrow, order)[0]["number"] is None for order in accepted):
        assert time.monotonic() < end, "an accepted order waits"
        time.sleep(0.1)
    assert not any(found(narrow, order) for order in refused)


def test_large_bodies_of_many_who_show_no_token_are_not_kept(narrow: Bench) -> None:
    pid = narrow.platform.pid
    before, body = resident_mb(pid), b"x" * 250_000

    async def story() -> float:
        sent = await asyncio.gather(*(send(narrow, body, "none") for _ in range(500)))
        most = resident_mb(pid)
        await asyncio.wait_for(asyncio.gather(*(till.ended for _, till in sent)), 60)
        for transport, _ in sent:
            transport.abort()
        return max(most, resident_mb(pid))

    assert asyncio.run(story()) - before < 100


def resident_mb(pid: int | None) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split(maxsplit=1)[0]) / 1024
