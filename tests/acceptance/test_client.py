"""The client against the running platform, through a way that is cut at random: every order one number."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kaipiao_client import AsyncClient, Client, Invoice, Issued, NotFound, OrderConflict, RulesBroken, StillWaiting
from kaipiao_lab.bench import Bench
from kaipiao_lab.sales import Sales


class CuttingProxy:
    """Forwards bytes; each connection is cut after a random number of them, either way, sometimes within an answer."""

    def __init__(self, url: str, seed: int, most: int) -> None:
        place = urlsplit(url)
        self._target = (place.hostname or "", place.port or 0)
        self._random = random.Random(seed)
        self._most = most
        self.cuts = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1")
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = [self._random.randrange(1, self._most)]
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        ways = [self._copy(reader, up_writer, left), self._copy(up_reader, writer, left)]
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            return  # the test is over
        finally:
            for task in tasks:
                task.cancel()
            up_writer.transport.abort()
            if self._random.random() < 0.3:
                writer.transport.abort()  # what was on its way is lost too
            else:
                writer.close()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, left: list[int]) -> None:
        try:
            while data := await source.read(4096):
                sink.write(data[: left[0]])
                await sink.drain()
                left[0] -= len(data)
                if left[0] <= 0:
                    self.cuts += 1
                    return
        except ConnectionError:
            return  # an end is gone: so is this way


@asynccontextmanager
async def cutting(bench: Bench, seed: int, most: int) -> AsyncIterator[tuple[str, CuttingProxy]]:
    proxy = CuttingProxy(bench.url(), seed, most)
    async with proxy.open() as url:
        yield url, proxy


def sales(bench: Bench, count: int, name: str) -> list[dict[str, object]]:
    made = Sales(bench.seller, 71, f"{name}{time.time_ns()}")
    return [made.next() for _ in range(count)]


def numbers_in_the_books(bench: Bench, orders: list[object]) -> dict[str, list[str]]:
    """Every number that the database has for these orders."""
    found: dict[str, list[str]] = {str(order): [] for order in orders}
    path = bench.directory / "platform" / "ledger.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        for order, number in connection.execute("SELECT client_order, number FROM invoice"):
            if order in found:
                found[order].append(number)
    connection.close()
    return found


def test_every_order_has_one_number_though_connections_are_cut_at_random(bench: Bench) -> None:
    wanted = sales(bench, 20, "cut")

    async def run() -> tuple[list[Issued], int]:
        async with cutting(bench, 1, 3500) as (url, proxy), AsyncClient(url, bench.token, timeout=5) as client:
            made = await asyncio.gather(*(client.issue(sale) for sale in wanted))
            return list(made), proxy.cuts

    made, cuts = asyncio.run(run())
    assert cuts > 20, "most attempts do not come through"
    books = numbers_in_the_books(bench, [sale["order"] for sale in wanted])
    assert {one.order: [one.number] for one in made} == books
    assert len({one.number for one in made}) == 20


@pytest.mark.parametrize(("most", "count"), [(4_500, 24), (30_000, 150), (120_000, 150)])
def test_a_batch_through_a_way_that_is_cut_at_random_is_issued_once(bench: Bench, most: int, count: int) -> None:
    wanted = sales(bench, count, f"many{most}")
    wrong = count // 2
    wanted[wrong] = {**wanted[wrong], "kind": "wrong"}

    async def run() -> int:
        async with cutting(bench, 2, most) as (url, proxy), AsyncClient(url, bench.token, timeout=5) as client:
            answers = [answer async for answer in client.issue_many(wanted)]
            assert sorted(answer.position for answer in answers) == list(range(1, count + 1))
            for answer in answers:
                assert answer.order == wanted[answer.position - 1]["order"]
                assert (answer.problem is not None) == (answer.position == wrong + 1)
                if answer.issued is not None:
                    numbers[answer.issued.order] = [answer.issued.number]
            return proxy.cuts

    numbers: dict[str, list[str | None]] = {}
    assert asyncio.run(run()) >= 1
    books = numbers_in_the_books(bench, list(numbers))
    assert books == numbers
    assert len(books) == count - 1


class Proxied:
    """The same proxy beside ordinary code."""

    def __init__(self, bench: Bench, seed: int, most: int) -> None:
        self._ready = threading.Event()
        self._bench, self._seed, self._most = bench, seed, most
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        async with cutting(self._bench, self._seed, self._most) as (self.url, self.proxy):
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Proxied:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


def test_ordinary_code_gets_one_number_for_each_order_too(bench: Bench) -> None:
    wanted = sales(bench, 30, "plain")
    with Proxied(bench, 3, 5_000) as way, Client(way.url, bench.token, timeout=5) as client:
        made = [client.issue(sale) for sale in wanted[:12]]
        answers = list(client.issue_many(wanted[12:]))
        assert way.proxy.cuts >= 12
    found = {one.order: [one.number] for one in made}
    found |= {a.issued.order: [a.issued.number] for a in answers if a.issued is not None}
    assert found == numbers_in_the_books(bench, [sale["order"] for sale in wanted])


def test_events_are_told_once_and_in_order_through_a_way_that_is_cut(bench: Bench) -> None:
    batch = sales(bench, 30, "told")
    wanted = [str(sale["order"]) for sale in batch]

    async def run() -> list[str]:
        told: list[str] = []
        async with cutting(bench, 4, 60_000) as (url, _), AsyncClient(url, bench.token, timeout=5) as client:
            events = client.events(taxpayer=bench.seller)
            listening = asyncio.ensure_future(anext(events))
            await asyncio.sleep(1.0)
            async with AsyncClient(bench.url(), bench.token) as direct:
                async for _answer in direct.issue_many(batch):
                    pass
            positions = []
            while len(told) < len(wanted):
                event = await asyncio.wait_for(listening, 20)
                positions.append(event.position)
                if event.kind == "issued" and event.order in wanted:
                    told.append(event.order)
                listening = asyncio.ensure_future(anext(events))
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await events.aclose()
            assert positions == sorted(set(positions))
        return told

    assert sorted(asyncio.run(run())) == sorted(wanted)


@pytest.fixture
def client(bench: Bench) -> Iterator[Client]:
    with Client(bench.url(), bench.token, language="en") as made:
        yield made


def test_what_was_issued_is_found_read_and_checked(bench: Bench, client: Client) -> None:
    (sale,) = sales(bench, 1, "read")
    checked = client.check(sale)
    assert checked.issuable
    assert client.find(str(sale["order"])) is None
    made = client.issue(sale)
    assert (made.amount, made.tax, made.total) == (checked.amount, checked.tax, checked.total)
    assert client.issue(sale).replayed
    found = client.find(str(sale["order"]), bench.seller)
    assert found is not None
    assert made.number is not None
    assert client.get(made.number).total == made.total
    assert made.number.encode() in client.document(made.number)
    status = client.status()
    assert status.taxpayers[0].taxpayer == bench.seller
    assert status.taxpayers[0].numbers_left > 0


def test_an_order_is_accepted_first_waited_for_listed_and_cancelled_while_it_can_be(
    bench: Bench, client: Client
) -> None:
    first, second, third = sales(bench, 3, "later")
    order = str(first["order"])
    accepted = client.accept(first)
    assert isinstance(accepted, Invoice)
    assert (accepted.order, accepted.number) == (order, None)
    numbered = client.wait_for(order, bench.seller, patience=30)
    assert numbered.number is not None
    confirmed = client.wait_for(order, until="confirmed", patience=60)
    assert (confirmed.state, confirmed.number) == ("confirmed", numbered.number)
    with pytest.raises(OrderConflict) as late:
        client.cancel(order, bench.seller)
    assert late.value.code == "KP-ORDER-02"
    at_once = client.accept(second, wait=10)
    assert isinstance(at_once, Issued)
    assert client.accept(second) == Issued.of(at_once.raw, replayed=True)
    with pytest.raises(StillWaiting) as nowhere:
        client.wait_for("nobody's", patience=0.3)
    assert nowhere.value.state is None
    (later,) = client.issue_many([third], later=True)
    assert later.accepted is not None
    try:
        assert client.cancel(str(third["order"])).state == "cancelled"
    except OrderConflict:
        assert client.wait_for(str(third["order"])).number is not None, "its number was faster"
    listed = [one.order for one in client.invoices(taxpayer=bench.seller, state=["confirmed", "issued"], limit=7)]
    assert order in listed
    assert len(listed) == len(set(listed))

    async def the_same() -> None:
        async with AsyncClient(bench.url(), bench.token) as beside:
            assert (await beside.accept(second)) == Issued.of(at_once.raw, replayed=True)
            assert (await beside.wait_for(order, until="confirmed")).number == numbered.number
            with pytest.raises(OrderConflict):
                await beside.cancel(order)
            assert [one.order async for one in beside.invoices(taxpayer=bench.seller, kind="general", limit=9)]

    asyncio.run(the_same())


def test_what_is_refused_says_why_and_what_next(bench: Bench, client: Client) -> None:
    (sale,) = sales(bench, 1, "wrong")
    with pytest.raises(RulesBroken) as broken:
        client.issue({**sale, "expected_total": "0.01"})
    assert broken.value.findings
    assert broken.value.send_again == "after_change"
    client.issue(sale)
    with pytest.raises(OrderConflict) as conflict:
        client.issue({**sale, "remark": "other"})
    assert conflict.value.fields
    with pytest.raises(NotFound):
        client.get("1" * 20)
    assert "eyJ" not in json.dumps(broken.value.body)


def test_the_server_stops_while_somebody_listens(tmp_path: Path) -> None:
    from kaipiao_lab.bench import Sizes

    own = Bench(tmp_path, Sizes(speed=60.0))
    try:
        own.set_up()
        with Client(own.url(), own.token, deadline=0.2) as listener:
            told = listener.events(after=0)
            next(told)
            began = time.monotonic()
            assert own.platform.stop() == 0
            assert time.monotonic() - began < 5
            told.close()
    finally:
        own.close()
