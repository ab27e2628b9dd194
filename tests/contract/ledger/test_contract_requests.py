"""Requests with a key: what every ledger promises, on every node."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from kaipiao.ledger.port import Ledger
from kaipiao.ledger.requests import Earlier, Found, KeptAnswer, KeyedRequest
from ledger_books import NOW, Books, on_every_ledger

REQUEST = KeyedRequest("erp", "k-1", b"d" * 32)
ANSWER = KeptAnswer(200, "application/json", b'{"a":"\x00\xff"}')
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


async def begin(ledger: Ledger, request: KeyedRequest = REQUEST, later: timedelta = timedelta()) -> Earlier:
    now = NOW + later
    return await ledger.begin_request(request, now, now + DAY, now - MINUTE)


@on_every_ledger
async def test_a_key_is_under_way_until_its_answer_is_kept_and_then_gives_that_on_every_node(books: Books) -> None:
    assert (await begin(books.ledger)).found is Found.NEW
    for node in (books.ledger, books.other):
        assert (await begin(node)).found is Found.UNDER_WAY
    await books.ledger.end_request(REQUEST, ANSWER)
    for node in (books.ledger, books.other):
        assert await begin(node) == Earlier(Found.ANSWERED, ANSWER)


@on_every_ledger
async def test_another_request_with_the_key_is_told_apart_and_another_subject_has_keys_of_its_own(books: Books) -> None:
    await begin(books.ledger)
    other = replace(REQUEST, digest=b"e" * 32)
    assert (await begin(books.other, other)).found is Found.OTHER
    await books.other.end_request(other, ANSWER)
    assert (await begin(books.ledger)).found is Found.UNDER_WAY, "who does not hold a key does not end it"
    await books.ledger.end_request(REQUEST, ANSWER)
    assert (await begin(books.ledger, other)).found is Found.OTHER
    for further in (replace(other, subject="shop"), replace(other, key="k-2"), replace(other, key="k-\0\\0")):
        assert (await begin(books.ledger, further)).found is Found.NEW


@on_every_ledger
async def test_without_an_answer_to_keep_the_key_is_free_again(books: Books) -> None:
    await begin(books.ledger)
    await books.ledger.end_request(REQUEST, None)
    other = replace(REQUEST, digest=b"e" * 32)
    assert (await begin(books.other, other)).found is Found.NEW
    await books.other.end_request(other, ANSWER)
    await books.ledger.end_request(REQUEST, None)
    assert (await begin(books.ledger, other)).found is Found.ANSWERED


@on_every_ledger
async def test_one_that_a_dead_node_left_is_taken_over_by_the_same_request_alone(books: Books) -> None:
    await begin(books.ledger)
    late = timedelta(seconds=61)
    assert (await begin(books.other, later=timedelta(seconds=59))).found is Found.UNDER_WAY
    assert (await begin(books.other, replace(REQUEST, digest=b"e" * 32), late)).found is Found.OTHER
    assert (await begin(books.other, later=late)).found is Found.NEW
    assert (await begin(books.ledger, later=late)).found is Found.UNDER_WAY


@on_every_ledger
async def test_what_is_kept_is_forgotten_in_time(books: Books) -> None:
    await begin(books.ledger)
    await books.ledger.end_request(REQUEST, ANSWER)
    assert (await begin(books.other, later=DAY - MINUTE)).found is Found.ANSWERED
    assert (await begin(books.other, replace(REQUEST, digest=b"e" * 32), DAY)).found is Found.NEW


@on_every_ledger
async def test_of_many_that_begin_at_once_one_does(books: Books) -> None:
    nodes = [books.ledger, books.other] * 10
    found = await asyncio.gather(*(begin(node) for node in nodes))
    assert sorted(one.found for one in found) == [Found.NEW, *[Found.UNDER_WAY] * 19]


def test_an_answer_shows_its_body_in_no_log() -> None:
    assert "xff" not in repr(Earlier(Found.ANSWERED, ANSWER))
