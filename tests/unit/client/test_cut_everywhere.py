"""A line that is cut at every single place of a request and of its answer: the call comes to the same in the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from scripted import Cut, Reply, answer, chunked, invoice, issued, server
from test_client_retries import Kind, both, lines, told

from kaipiao_client import RulesBroken, attempts

SALE = {"order": "A-1", "total": "1.10"}
REFUSAL = answer(422, {"code": "KP-RULE-00", "next_step": "do this", "findings": [{"code": "KP-RULE-07"}]})


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.0)


def cut_at(whole: bytes, place: int) -> Reply:
    return lambda body: Cut(whole[:place])


def places(whole: bytes, step: int = 1) -> Iterator[int]:
    yield from range(0, len(whole), step)


@both
def test_an_answer_that_is_cut_at_any_byte_is_no_answer_and_the_next_one_counts(kind: Kind) -> None:
    whole = issued(json.dumps(SALE).encode())
    script = [reply for place in places(whole) for reply in (cut_at(whole, place), issued)]
    with server(*script) as seen:
        for _ in places(whole):
            made = kind(seen.url, deadline=5.0).issue(SALE)
            assert (made.order, made.number) == ("A-1", invoice("A-1")["number"])
    assert len(seen.bodies) == 2 * len(whole)
    assert len(set(seen.bodies)) == 1, "the very same request, each time"


@both
def test_a_refusal_that_is_cut_at_any_byte_is_not_taken_for_another(kind: Kind) -> None:
    """A head that is cut off ends like one without a length: its status alone must not decide."""
    script = [reply for place in places(REFUSAL) for reply in (cut_at(REFUSAL, place), lambda body: REFUSAL)]
    with server(*script) as seen:
        for _ in places(REFUSAL):
            with pytest.raises(RulesBroken) as broken:
                kind(seen.url, deadline=5.0).issue(SALE)
            assert broken.value.findings


@both
def test_a_request_that_is_cut_at_any_byte_is_sent_again(kind: Kind) -> None:
    length = 260  # of head and body together, about
    with server(*(reply for place in range(0, length, 7) for reply in (place, issued))) as seen:
        for _ in range(0, length, 7):
            assert kind(seen.url, deadline=5.0).issue(SALE).order == "A-1"


@both
def test_a_batch_whose_answer_is_cut_at_any_byte_has_one_answer_for_each_sale(kind: Kind) -> None:
    sales = [{"order": f"A-{place}"} for place in range(3)]

    def every(body: bytes) -> bytes:
        return chunked(*lines(body, *[201] * 3))

    whole = every(b"".join(json.dumps(sale).encode() + b"\n" for sale in sales))
    for place in places(whole, 5):

        def cut(body: bytes, place: int = place) -> bytes:
            return Cut(every(body)[:place])

        with server(cut, *[every] * 4) as seen:
            found = kind(seen.url, deadline=5.0).issue_many(sales)
        assert sorted(one.position for one in found) == [1, 2, 3], place
        assert all(one.issued is not None and one.order == f"A-{one.position - 1}" for one in found)


@both
def test_events_that_are_cut_at_any_byte_are_told_once_each(kind: Kind) -> None:
    def after(head: str) -> int:
        last = [line.split(": ")[1] for line in head.splitlines() if line.lower().startswith("last-event-id")]
        return int(last[0]) if last else 0

    stream = b"id: 0\n\n" + told(7) + told(9)
    whole = chunked(stream, end=False)
    for place in places(whole, 6):
        heads: list[Any] = []

        def rest(body: bytes, heads: list[Any] = heads) -> bytes:
            seen_last = after(heads[0].heads[-1])
            return chunked(*(told(position) for position in (7, 9) if position > seen_last), end=False)

        with server(cut_at(whole, place), *[rest] * 4) as seen:
            heads.append(seen)
            found = kind(seen.url, deadline=5.0).events(2)
        assert [event.position for event in found] == [7, 9], place
