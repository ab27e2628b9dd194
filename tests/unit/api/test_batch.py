"""Batches: an answer per item in order, one bad item harms no other, cut-off and unread ones leave whole invoices."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import post, sale, token, told
from asgi import Answer, call
from bench import OTHER as OTHER_SELLER
from bench import SELLER, Point

from kaipiao.api.door.body_pace import BodyPace
from kaipiao.api.sales import batch as batches
from kaipiao.errors import KaipiaoError, Malformed, TooLarge
from kaipiao.intake.batches import Array, Item, Lines, Splitter

LINES = {"content-type": "application/x-ndjson"}


async def send(app: FastAPI, body: Any, **more: Any) -> Answer:
    headers = more.pop("headers", LINES)
    given = more.pop("token", token())
    return await call(app, "POST", "/v1/invoices:batch", token=given, body=body, headers=headers, **more)


def ndjson(*items: Any) -> bytes:
    return b"".join((i if isinstance(i, bytes) else json.dumps(i).encode()) + b"\n" for i in items)


def answers(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200
    return [json.loads(line) for line in answer.body.splitlines()]


def test_each_item_gets_its_answer_and_one_bad_item_harms_no_other() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        unknown_seller = sale("A-4", seller=OTHER_SELLER)
        body = ndjson(sale("A-1"), b"{half", sale("A-3", kind="x"), unknown_seller, b"", sale("A-1"), sale("A-6"))
        found = answers(await send(app, body))
        assert [(a["position"], a["order"], a["status"]) for a in found] == [
            (1, "A-1", 201),
            (2, None, 400),
            (3, "A-3", 422),
            (4, "A-4", 404),
            (6, "A-1", 200),
            (7, "A-6", 201),
        ]
        assert found[0]["invoice"] == found[4]["invoice"] == (await post(app, sale("A-1"))).json()
        assert found[1]["problem"]["code"] == "KP-INPUT-01"
        assert len(await p.ledger.page(SELLER)) == 2

    told(story)


def test_an_array_is_a_batch_too_and_the_same_batch_again_gets_the_same_answers() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        orders = [sale(f"A-{i}") for i in range(30)]
        raw = json.dumps(orders, indent=1).encode()
        pieces = [raw[i : i + 17] for i in range(0, len(raw), 17)]
        first = answers(await send(app, pieces, headers={"content-type": "application/json"}))
        again = answers(await send(app, ndjson(*orders)))
        assert [a["status"] for a in first] == [201] * 30
        assert [a["status"] for a in again] == [200] * 30
        assert [a["invoice"] for a in first] == [a["invoice"] for a in again]
        assert len({a["invoice"]["number"] for a in first}) == 30

    told(story)


@pytest.mark.parametrize("headers", [LINES, {"content-type": "application/json"}])
def test_a_batch_without_a_body_was_lost_on_its_way_and_is_refused(headers: dict[str, str]) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        refused = await send(app, b"", headers=headers)
        assert (refused.status, refused.json()["code"]) == (400, "KP-INPUT-01")
        gone = await call(app, "POST", "/v1/invoices:batch", token=token(), body=[], headers=headers)
        assert gone.status == 400

    told(story)


@pytest.mark.parametrize("body", [b'{"a":1}', b" 1", b"null", b"]", b'"["'])
def test_what_is_no_array_at_all_is_refused_as_a_whole(body: bytes) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        refused = await send(app, body, headers={"content-type": "application/json"})
        assert (refused.status, refused.json()["code"]) == (400, "KP-INPUT-01")

    told(story)


def test_each_item_of_a_batch_can_be_accepted_first_and_numbered_later() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await post(app, sale("A-1"))
        body = ndjson(sale("A-1"), sale("A-2"), sale("A-3", kind="x"), sale("A-2"), sale("A-2", remark="other"))
        answer = await send(app, body, headers={**LINES, "prefer": "respond-async"})
        assert answer.headers["preference-applied"] == "respond-async"
        found = answers(answer)
        assert [one["status"] for one in found] == [200, 202, 422, 202, 409]
        assert found[1]["accepted"] == found[3]["accepted"]
        assert (found[1]["accepted"]["state"], found[1]["accepted"]["number"]) == ("accepted", None)
        await p.numberer.round()
        again = answers(
            await send(app, json.dumps([sale("A-2")]).encode(), headers={"content-type": "application/json"})
        )
        assert again[0]["status"] == 200

    told(story)


def test_items_are_committed_together() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        under_way, most = 0, 0
        admit = p.ledger.admit

        async def slow(admissions: Any) -> Any:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.001)
            under_way -= 1
            return await admit(admissions)

        p.ledger.admit = slow  # type: ignore[method-assign]
        await send(app, ndjson(*(sale(f"A-{i}") for i in range(200))))
        assert 16 <= most <= batches.AT_ONCE

    told(story)


@pytest.mark.parametrize(
    ("body", "positions", "codes"),
    [
        (b"[", [1], ["KP-INPUT-01"]),
        (b"[1,]", [1, 2], ["KP-INPUT-01"] * 2),
        (b"[1}", [1], ["KP-INPUT-01"]),
        (b"[1] 2", [1, 1], ["KP-INPUT-01"] * 2),
        (b'["\\"]', [1], ["KP-INPUT-01"]),
        (b"[]", [], []),
    ],
)
def test_an_array_that_breaks_off_says_where(body: bytes, positions: list[int], codes: list[str]) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        found = answers(await send(app, body, headers={"content-type": "application/json"}))
        assert [a["position"] for a in found] == positions
        assert [a["problem"]["code"] for a in found] == codes

    told(story)


def test_limits_of_items_bytes_and_of_one_item_end_the_batch_after_what_came_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        huge = b'{"order":"' + b"x" * (1024 * 1024)
        found = answers(await send(app, [ndjson(sale("A-1")), huge]))
        assert [(a["position"], a["status"]) for a in found] == [(1, 201), (2, 413)]
        monkeypatch.setattr(batches, "MOST_ITEMS", 2)
        found = answers(await send(app, ndjson(*(sale(f"B-{i}") for i in range(4)))))
        assert [a["status"] for a in found] == [201, 201, 413]
        monkeypatch.setattr(batches, "MOST_BYTES", 600)
        found = answers(await send(app, [ndjson(sale("C-1")), ndjson(sale("C-2"))]))
        assert [a["status"] for a in found] == [201, 413]
        declared = await send(app, b"", headers={**LINES, "content-length": "601"})
        assert (declared.status, declared.json()["code"]) == (413, "KP-INPUT-02")

    told(story)


@pytest.mark.parametrize("form", ["text/plain", "application/xml", "application/json; charset=gbk"])
def test_another_form_is_refused_before_anything_is_read(form: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        refused = await send(app, ndjson(sale()), headers={"content-type": form})
        assert refused.status == 415
        gzip = await send(app, ndjson(sale()), headers={**LINES, "content-encoding": "gzip"})
        assert gzip.status == 415
        assert (await send(app, ndjson(sale()), token=token("auditor"))).status == 403
        assert await p.ledger.page(SELLER) == []

    told(story)


def streaming(app: FastAPI, pieces: list[Any], take: Any) -> Any:
    """The application with `pieces` as messages (bytes, or None: the caller is gone); `take` is awaited for each message."""
    headers = [(b"authorization", f"Bearer {token()}".encode()), (b"content-type", b"application/x-ndjson")]
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/v1/invoices:batch",
        "raw_path": b"/v1/invoices:batch", "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> Any:
        await asyncio.sleep(0)
        piece = pieces.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    return app(scope, receive, take)


def test_a_batch_that_is_cut_off_leaves_whole_invoices_and_can_be_repeated() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        whole = ndjson(*(sale(f"A-{i}") for i in range(10)))
        cut = len(whole) // 2 + 7

        async def take(message: Any) -> None:
            await asyncio.sleep(0)

        await streaming(app, [whole[:cut], None], take)
        begun = await p.ledger.page(SELLER)
        assert [r.order for r in begun] == [f"A-{i}" for i in range(len(begun))]
        assert len(begun) == whole[:cut].count(b"\n")
        found = answers(await send(app, whole))
        assert [a["status"] for a in found] == [200] * len(begun) + [201] * (10 - len(begun))

    told(story)


def test_reading_stops_while_answers_are_not_taken() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        pieces = [ndjson(sale(f"A-{i}")) for i in range(500)]
        gate = asyncio.Event()
        lines = 0

        async def take(message: Any) -> None:
            nonlocal lines
            await gate.wait()
            lines += bool(message.get("body"))

        running = asyncio.create_task(streaming(app, pieces, take))
        await asyncio.sleep(0.3)
        assert len(pieces) == 499, "hardly begun: the head of the answer is not taken"
        gate.set()
        await asyncio.sleep(0)
        gate.clear()
        await asyncio.sleep(0.5)
        assert 500 - len(pieces) <= batches.AT_ONCE + 2
        assert len(await p.ledger.page(SELLER, limit=1000)) <= batches.AT_ONCE
        gate.set()
        await running
        assert lines == 500

    told(story)


def test_answers_that_are_never_taken_end_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        monkeypatch.setattr(batches, "ANSWER_SECONDS", 0.05)
        last: list[bool] = []

        async def take(message: Any) -> None:
            if message["type"] == "http.response.body":
                last.append(message["more_body"])
                await asyncio.sleep(5)

        pieces: list[Any] = [ndjson(sale("A-1")), ndjson(sale("A-2")), b""]
        await asyncio.wait_for(streaming(app, pieces, take), 2)
        assert last == [True], "no last piece: the server closes the connection"

    told(story)


def test_an_item_that_does_not_come_ends_the_batch() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        app.state.services = replace(app.state.services, body_pace=BodyPace(seconds=0.05))
        taken: list[bytes] = []

        async def take(message: Any) -> None:
            taken.append(message.get("body", b""))

        sent = [ndjson(sale("A-1"))]

        async def receive() -> Any:
            if sent:
                return {"type": "http.request", "body": sent.pop(), "more_body": True}
            await asyncio.sleep(10)
            return None

        headers = [(b"authorization", f"Bearer {token()}".encode())]
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/v1/invoices:batch",
            "raw_path": b"/v1/invoices:batch", "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }  # fmt: skip
        await asyncio.wait_for(app(scope, receive, take), 2)
        made, broken = map(json.loads, b"".join(taken).splitlines())
        assert (made["status"], broken["problem"]["code"]) == (201, "KP-HTTP-03")
        taken.clear()
        await asyncio.wait_for(app(scope, receive, take), 2)
        assert json.loads(b"".join(taken))["code"] == "KP-HTTP-03", "nothing at all: a problem of the whole request"

    told(story)


def cut(splitter: Splitter, raw: bytes, places: list[int]) -> list[Item]:
    edges = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    found: list[Item] = []
    for start, end in itertools.pairwise(edges):
        found += splitter.feed(raw[start:end])
    return [*found, *splitter.end()]


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
def test_blanks_before_a_batch_are_not_held_and_count_against_its_limit(before: bytes) -> None:
    splitter = Array(1_000)
    for byte in (*before, *b" \n" * 400):
        assert list(splitter.feed(bytes([byte]))) == []
        assert len(splitter._held) < 3, "what is held is looked at again with every byte that comes"
    assert [item.raw for item in splitter.feed(b"[1]")] == [b"1"]
    with pytest.raises(TooLarge):
        list(Array(1_000).feed(b" " * 1_001))
    with pytest.raises(Malformed):
        list(Array(1_000).feed(b" \xef\xbb\xbf["))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(VALUES, max_size=6), st.lists(st.integers(0, 10_000), max_size=8), st.booleans())
def test_wherever_a_batch_is_cut_on_its_way_its_items_are_the_same(
    items: list[Any], places: list[int], spaced: bool
) -> None:
    array = json.dumps(items, ensure_ascii=spaced, indent=2 if spaced else None).encode("utf-8", "surrogatepass")
    assert [json.loads(i.raw.decode("utf-8", "surrogatepass")) for i in cut(Array(10**6), array, places)] == items
    lines = b"\n".join(json.dumps(item).encode() for item in items)
    assert [json.loads(i.raw) for i in cut(Lines(10**6), lines, places)] == items


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text('[]{},"\\ 1:', max_size=40).map(str.encode), st.lists(st.integers(0, 60)))
def test_what_is_taken_for_an_array_is_one_and_nothing_else_raises(raw: bytes, places: list[int]) -> None:
    try:
        found = cut(Array(50), raw, places)
    except KaipiaoError:
        return
    whole = raw.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n")
    assert whole[:1] + whole[-1:] == b"[]"
    assert b",".join(item.raw for item in found).strip() == whole[1:-1].strip()
