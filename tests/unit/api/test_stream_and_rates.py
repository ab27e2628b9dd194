"""Events as they happen, and how often one may ask."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import TOKENS, post, sale, token, told
from asgi import call
from bench import OTHER, SELLER, Point

from kaipiao.api import feed as feeds
from kaipiao.api import stream as streams
from kaipiao.api.door.rates import REMEMBERED, Rates
from kaipiao.errors import TooManyRequests
from kaipiao.ledger.port import EventDraft


class Listener:
    """A client of the stream. `blocks`: what came, cut at the empty lines."""

    def __init__(self, app: FastAPI, query: str = "", last: str | None = None, role: str = "auditor") -> None:
        headers = [(b"authorization", f"Bearer {token(role)}".encode()), (b"accept", b"text/event-stream")]
        if last is not None:
            headers.append((b"last-event-id", last.encode()))
        self.scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/v1/events/stream",
            "raw_path": b"/v1/events/stream", "query_string": query.encode(), "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        self.app = app
        self.status = 0
        self.text = ""
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async def receive() -> Any:
            await self.leave.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self.status = message.get("status", self.status)
            self.text += message.get("body", b"").decode()

        await self.app(self.scope, receive, send)

    @property
    def blocks(self) -> list[str]:
        return self.text.split("\n\n")[:-1]

    def events(self) -> list[dict[str, Any]]:
        found = []
        for block in self.blocks:
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "data" in fields:
                data = json.loads(fields["data"])
                assert (fields["id"], fields["event"]) == (str(data["position"]), data["kind"])
                found.append(data)
        return found

    async def gone(self) -> None:
        self.leave.set()
        await asyncio.wait_for(self.task, 2)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(app: FastAPI, *queries: str, **more: Any) -> Any:
    found = [Listener(app, query, **more) for query in queries]
    await until(lambda: all(one.text for one in found))
    await asyncio.sleep(0.02)
    try:
        yield found
    finally:
        for one in found:
            await one.gone()


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LOOK_SECONDS", 0.02)


def test_a_listener_hears_what_happens_from_now_on_and_goes_on_where_it_was() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await post(app, sale("A-0"))
        async with listening(app, "") as (first,):
            await post(app, sale("A-1"))
            await until(lambda: len(first.events()) == 1)
            assert first.blocks[0].startswith("retry: 2000\nid: ")
        (heard,) = first.events()
        assert (heard["kind"], heard["order"]) == ("issued", "A-1")
        await post(app, sale("A-2"))
        async with listening(app, "after=0", last=str(heard["position"])) as (again,):
            await post(app, sale("A-3"))
            await until(lambda: len(again.events()) == 2)
            assert [e["order"] for e in again.events()] == ["A-2", "A-3"]

    told(story)


def test_a_listener_far_behind_hears_everything_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PAGE", 3)
    monkeypatch.setattr(feeds, "KEPT", 4)

    async def story(app: FastAPI, p: Point) -> None:
        for place in range(20):
            await post(app, sale(f"A-{place}"))
        async with listening(app, "after=0", f"after=0&taxpayer={SELLER}", "after=0&order=A-17") as found:
            for place in range(20, 40):
                await post(app, sale(f"A-{place}"))
            await until(lambda: all(len(one.events()) >= 40 for one in found[:2]))
            everything = await p.ledger.events(limit=1000)
            assert [e["position"] for e in found[0].events()] == [e.position for e in everything]
            mine = [e["order"] for e in found[1].events() if e["kind"] == "issued"]
            assert mine == [f"A-{place}" for place in range(40)]
            assert {e["order"] for e in found[2].events()} == {"A-17"}

    told(story)


def test_several_listeners_cost_one_query_and_none_costs_none() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        asked = 0
        events = p.ledger.events

        async def counted(**more: Any) -> Any:
            nonlocal asked
            asked += 1
            return await events(**more)

        p.ledger.events = counted  # type: ignore[method-assign]
        async with listening(app, *[""] * 20) as found:
            before = asked
            await asyncio.sleep(0.2)
            assert asked - before <= 11
            await post(app, sale())
            await until(lambda: all(one.events() for one in found))
        before = asked
        await asyncio.sleep(0.1)
        assert asked == before

    told(story)


def test_listeners_are_let_go_when_the_server_ends_and_hear_a_heartbeat_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)

    async def story(app: FastAPI, p: Point) -> None:
        one = Listener(app)
        await until(lambda: one.text.count(": \n\n") >= 2)
        app.state.feed.end()
        await asyncio.wait_for(one.task, 1)

    told(story)


def test_places_are_bounded_and_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_LISTENERS", 2)

    async def story(app: FastAPI, p: Point) -> None:
        async with listening(app, "", ""):
            refused = Listener(app)
            await asyncio.wait_for(refused.task, 2)
            assert (refused.status, json.loads(refused.text)["code"]) == (429, "KP-HTTP-05")
        async with listening(app, "") as (one,):
            assert one.status == 200

    told(story)


def test_one_party_does_not_take_the_places_of_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "ONE_PARTYS", 1)

    async def story(app: FastAPI, p: Point) -> None:
        feed: feeds.Feed = app.state.feed
        with feed.place("north"):
            with pytest.raises(TooManyRequests), feed.place("north"):
                pass
            with feed.place("south"), feed.place(None), feed.place(None):
                async with listening(app, "") as (one,):
                    assert one.status == 200
        with feed.place("north"):
            bearer = TOKENS.make("erp", "auditor", (SELLER,), timedelta(hours=1))
            with feed.place((SELLER,)):
                refused = await call(app, "GET", "/v1/events/stream", token=bearer)
            assert (refused.status, refused.json()["code"]) == (429, "KP-HTTP-05")
            assert (await call(app, "GET", "/v1/events/stream", token=bearer)).status == 200

    told(story)


def test_nobody_hears_of_anothers_taxpayer() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        async with listening(app, "") as (one,):
            other = EventDraft("secret", p.clock.now(), OTHER, "B-1")
            await p.ledger.append_events([other, EventDraft("own", p.clock.now(), SELLER, "A-1")])
            await until(lambda: bool(one.events()))
            assert [e["kind"] for e in one.events()] == ["own"]
        for query, role, status in (
            (f"taxpayer={OTHER}", "auditor", 404),
            ("", "issuer", 403),
            ("x=1", "auditor", 400),
        ):
            refused = Listener(app, query, role=role)
            await asyncio.wait_for(refused.task, 2)
            assert refused.status == status

    told(story)


@pytest.mark.parametrize("last", ["x", "-1", "9" * 20, "9223372036854775808", "1 2", "²"])
def test_a_place_that_is_none_is_refused(last: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        one = Listener(app, last=last)
        await asyncio.wait_for(one.task, 2)
        assert one.status == 400

    told(story)


def test_head_of_the_stream_ends_at_once() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        answer = await asyncio.wait_for(call(app, "HEAD", "/v1/events/stream", token=token()), 2)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")

    told(story)


def test_over_the_rate_one_is_told_when_to_come_again_and_others_are_not() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        app.state.services = replace(app.state.services, rates=Rates(2.0, lambda: 100.0))
        answers = [await call(app, "GET", "/v1/invoices", token=token()) for _ in range(3)]
        assert [a.status for a in answers] == [200, 200, 429]
        refused = answers[-1]
        assert refused.json()["code"] == "KP-HTTP-04"
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["ratelimit-policy"] == '"subject";q=2;w=1'
        assert refused.headers["ratelimit"] == '"subject";r=0;t=1'
        assert (await post(app, sale())).status == 429
        assert (await call(app, "GET", "/healthz")).status == 200
        assert await p.ledger.page(SELLER) == []

    told(story)


def test_a_bucket_fills_at_its_rate_and_never_above_a_second() -> None:
    now = [0.0]
    rates = Rates(4.0, lambda: now[0])
    assert [rates.take("a") for _ in range(5)] == [0.0] * 4 + [0.25]
    assert rates.take("b") == 0.0
    now[0] = 0.25
    assert (rates.take("a"), rates.take("a")) == (0.0, 0.25)
    now[0] = 1000.0
    assert [rates.take("a") > 0 for _ in range(5)] == [False] * 4 + [True]


def test_any_number_of_subjects_takes_bounded_room() -> None:
    rates = Rates(1.0, lambda: 0.0)
    for number in range(REMEMBERED * 2):
        rates.take(str(number))
    assert len(rates._buckets) <= REMEMBERED


def test_a_batch_over_the_rate_is_read_more_slowly_and_not_refused() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        app.state.services = replace(app.state.services, rates=Rates(40.0))
        body = b"".join(json.dumps(sale(f"A-{i}")).encode() + b"\n" for i in range(60))
        began = asyncio.get_running_loop().time()
        headers = {"content-type": "application/x-ndjson"}
        answer = await call(app, "POST", "/v1/invoices:batch", token=token(), body=body, headers=headers)
        assert [json.loads(line)["status"] for line in answer.body.splitlines()] == [201] * 60
        assert asyncio.get_running_loop().time() - began > 0.4

    told(story)


def test_whoever_does_not_ask_for_a_stream_gets_what_is_there_and_its_end() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await post(app, sale())
        answer = await asyncio.wait_for(call(app, "GET", "/v1/events/stream?after=0", token=token()), 5)
        assert answer.status == 200
        assert b"event: issued" in answer.body

    told(story)


def test_events_of_one_taxpayer_are_paged_past_those_of_others() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        for _ in range(5):
            await p.ledger.append_events([EventDraft("other", p.clock.now(), "91110108MA01EXMP2X")])
        await post(app, sale())
        mine = token("auditor", (SELLER,))
        (event,) = (await call(app, "GET", "/v1/events?limit=1", token=mine)).json()
        assert event["taxpayer"] == SELLER

    told(story)
