"""What the client repeats, what it never repeats, and what it says: the same promises of both clients."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from scripted import Reply, answer, chunked, invoice, issued, server

from kaipiao_client import (
    AccessRefused,
    AsyncClient,
    BatchAnswer,
    Client,
    ClientError,
    Event,
    Issued,
    NoAnswer,
    NotFound,
    OrderConflict,
    Problem,
    RulesBroken,
    Unavailable,
)

SALE = {"order": "A-1", "total": Decimal("1.10")}


class Sync:
    """Calls in the form that both share."""

    def __init__(self, url: str, **more: Any) -> None:
        self.client = Client(url, "token", **{"deadline": 3.0, "timeout": 0.4, **more})

    def issue(self, sale: Any) -> Issued:
        with self.client:
            return self.client.issue(sale)

    def issue_many(self, sales: Any) -> list[BatchAnswer]:
        return list(self.client.issue_many(sales))

    def events(self, count: int, **more: Any) -> list[Event]:
        found = self.client.events(**more)
        events = [next(found) for _ in range(count)]
        found.close()
        return events


class Async:
    def __init__(self, url: str, **more: Any) -> None:
        self.url = url
        self.more = {"deadline": 3.0, "timeout": 0.4, **more}

    def make(self) -> AsyncClient:
        return AsyncClient(self.url, "token", **self.more)

    def issue(self, sale: Any) -> Issued:
        async def run() -> Issued:
            async with self.make() as client:
                return await client.issue(sale)

        return asyncio.run(run())

    def issue_many(self, sales: Any) -> list[BatchAnswer]:
        async def run() -> list[BatchAnswer]:
            async with self.make() as client:
                return [one async for one in client.issue_many(sales)]

        return asyncio.run(run())

    def events(self, count: int, **more: Any) -> list[Event]:
        async def run() -> list[Event]:
            async with self.make() as client:
                found = client.events(**more)
                events = [await anext(found) for _ in range(count)]
                await found.aclose()
                return events

        return asyncio.run(run())


both = pytest.mark.parametrize("kind", [Sync, Async])
Kind = Callable[..., Sync | Async]


def silent(body: bytes) -> bytes | None:
    time.sleep(0.6)
    return None


def problem(status: int, code: str = "KP-X-01", **more: Any) -> Reply:
    return lambda body: answer(status, {"code": code, "next_step": "do this", "send_again": "no", **more})


@both
@pytest.mark.parametrize(
    "trouble",
    [
        lambda body: None,
        silent,
        problem(429, retry_after=0),
        problem(503),
        problem(502),
        problem(504),
        lambda body: b"HTTP/1.1 503 X\r\nContent-Length: 4\r\nRetry-After: 0\r\n\r\nhtml",
        lambda body: b"nonsense X-Cut\r\n\r\n",
        lambda body: answer(200, {"not": "ours"}),
        lambda body: b"HTTP/1.1 201 X\r\nContent-Length: 500\r\nX-Cut: 1\r\n\r\n{}",
    ],
    ids=["cut", "silence", "429", "503", "502", "504", "a proxy's", "no HTTP", "another's", "too short"],
)
def test_after_trouble_the_very_same_order_is_sent_again(kind: Kind, trouble: Reply) -> None:
    with server(trouble, lambda body: None, lambda body: issued(body, 200, Kaipiao_Replayed="true")) as seen:
        made = kind(seen.url).issue(SALE)
    assert (made.order, made.total, made.replayed) == ("A-1", Decimal("106.00"), True)
    assert len(set(seen.bodies)) == 1
    assert json.loads(seen.bodies[0]) == {"order": "A-1", "total": "1.10"}
    assert len(seen.bodies) == 3


@both
@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "KP-INPUT-01", Problem),
        (401, "KP-ACCESS-01", AccessRefused),
        (403, "KP-ACCESS-03", AccessRefused),
        (404, "KP-FIND-01", NotFound),
        (408, "KP-HTTP-03", Problem),
        (409, "KP-ORDER-01", OrderConflict),
        (413, "KP-INPUT-02", Problem),
        (422, "KP-RULE-00", RulesBroken),
        (500, "KP-INTERNAL-01", Problem),
    ],
)
def test_what_is_refused_is_raised_at_once_and_never_sent_again(
    kind: Kind, status: int, code: str, error: type[Problem]
) -> None:
    findings = [{"code": "KP-RULE-07", "path": "lines[0]", "text": "…"}]
    refuse = problem(status, code, findings=findings, fields=["a"])
    with server(refuse, refuse) as seen, pytest.raises(error) as refused:
        kind(seen.url).issue(SALE)
    assert type(refused.value) is error
    assert (refused.value.status, refused.value.code, refused.value.next_step) == (status, code, "do this")
    assert (refused.value.send_again, refused.value.fields) == ("no", ("a",))
    assert len(seen.bodies) == 1
    if isinstance(refused.value, RulesBroken):
        assert refused.value.findings[0]["path"] == "lines[0]"


@both
def test_at_the_deadline_the_last_trouble_is_raised(kind: Kind) -> None:
    with server(*[problem(503, "KP-ISSUE-01")] * 50) as seen, pytest.raises(Unavailable) as given_up:
        kind(seen.url, deadline=0.4).issue(SALE)
    assert given_up.value.code == "KP-ISSUE-01"
    assert len(seen.bodies) > 1
    with pytest.raises(NoAnswer) as nobody:
        kind(seen.url, deadline=0.4).issue(SALE)
    assert (nobody.value.code, nobody.value.send_again) == ("KP-CLIENT-01", "same_order_key")


@both
def test_retry_after_is_kept(kind: Kind) -> None:
    began = time.monotonic()
    with server(lambda body: answer(503, {}, Retry_After="1"), issued) as seen:
        kind(seen.url).issue(SALE)
    assert time.monotonic() - began >= 1.0
    with server(lambda body: answer(429, {}, Retry_After="9"), issued) as seen, pytest.raises(Unavailable):
        kind(seen.url).issue(SALE)
    assert len(seen.bodies) == 1, "later than the deadline: raised at once"


def lines(body: bytes, *statuses: int) -> list[bytes]:
    orders = [json.loads(line)["order"] for line in body.splitlines()]
    found = []
    for position, (order, status) in enumerate(zip(orders, statuses, strict=False), 1):
        said = {"invoice": invoice(order)} if status < 300 else {"problem": {"code": f"KP-{status}"}}
        found.append(json.dumps({"position": position, "order": order, "status": status, **said}).encode() + b"\n")
    return found


@both
def test_of_a_batch_only_what_has_no_final_answer_is_sent_again(kind: Kind) -> None:
    def first(body: bytes) -> bytes:
        whole = b"".join(lines(body, 201, 422, 503, 201))
        return chunked(whole[:100], whole[100:], b'{"position":5,"order":"A-4","sta', end=False)

    def second(body: bytes) -> bytes:
        return chunked(*lines(body, 200, 201))

    with server(first, second) as seen:
        found = kind(seen.url).issue_many({"order": f"A-{i}"} for i in range(5))
    assert [(a.position, a.order) for a in found] == [(1, "A-0"), (2, "A-1"), (4, "A-3"), (3, "A-2"), (5, "A-4")]
    assert [a.issued is None for a in found] == [False, True, False, False, False]
    assert found[1].problem is not None
    assert found[1].problem.status == 422
    assert found[3].issued is not None
    assert found[3].issued.replayed
    assert [json.loads(line)["order"] for line in seen.bodies[1].splitlines()] == ["A-2", "A-4"]


@both
def test_a_long_batch_goes_in_pieces_and_is_not_held_whole(kind: Kind) -> None:
    taken = 0

    def sales() -> Any:
        nonlocal taken
        for number in range(200):
            taken += 1
            yield {"order": f"A-{number}"}

    most: list[int] = []

    def every(body: bytes) -> bytes:
        most.append(taken)
        return chunked(*lines(body, *[201] * 64))

    with server(every, every, every, every) as seen:
        found = kind(seen.url).issue_many(sales())
    assert [a.position for a in found] == list(range(1, 201))
    assert [body.count(b"\n") for body in seen.bodies] == [64, 64, 64, 8]
    assert most[0] <= 65


@both
def test_what_concerns_a_whole_batch_is_raised(kind: Kind) -> None:
    with server(problem(401)) as seen, pytest.raises(AccessRefused):
        kind(seen.url).issue_many([SALE])
    assert len(seen.bodies) == 1


def told(position: int) -> bytes:
    data = {
        "position": position,
        "kind": "issued",
        "at": "2026-11-03T09:00:00.000+08:00",
        "taxpayer": "T",
        "order": "A",
    }
    return f"id: {position}\nevent: issued\ndata: {json.dumps({**data, 'data': {}})}\n\n".encode()


@both
def test_a_lost_stream_of_events_goes_on_after_the_last_whole_one(kind: Kind) -> None:
    first = chunked(b"retry: 2000\nid: 3\n\n", told(7), b": \n\n", told(9), told(12)[:30], end=False)
    with server(lambda body: first, problem(503), lambda body: chunked(told(12), end=False)) as seen:
        found = kind(seen.url).events(3, after=3)
    assert [event.position for event in found] == [7, 9, 12]
    assert "after=3" in seen.heads[0]
    assert "last-event-id: 9" in seen.heads[2].lower()


@both
def test_one_connection_serves_call_after_call(kind: Kind) -> None:
    with server(issued, issued) as seen:
        if kind is Sync:
            client = Client(seen.url, "token")
            client.issue(SALE)
            client.issue(SALE)
            client.close()
        else:

            async def twice() -> None:
                async with AsyncClient(seen.url, lambda: "token") as client:
                    await client.issue(SALE)
                    await client.issue(SALE)

            asyncio.run(twice())
    assert len(seen.bodies) == 2


@both
def test_a_token_or_an_address_that_cannot_be_safe_is_refused_before_anything_is_sent(kind: Kind) -> None:
    for url in ("ftp://127.0.0.1", "http://erp.example.cn:8790", "127.0.0.1:8790"):
        with pytest.raises(ValueError, match="url"):
            Client(url, "token")
        with pytest.raises(ValueError, match="url"):
            AsyncClient(url, "token")
    with pytest.raises(ClientError, match="token") as wrong:
        Client("http://127.0.0.1:1", "a\r\nX: b").issue(SALE)
    assert "X: b" not in str(wrong.value)


def test_a_sale_with_what_json_cannot_say_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        Client("http://127.0.0.1:1", "token").issue({"order": object()})
