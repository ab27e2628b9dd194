"""`Idempotency-Key`: a POST that is sent again is not done again, on any node, until its time is over."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import TOKENS, post, sale, told
from asgi import Answer, call
from bench import OTHER, SELLER, Point

from kaipiao.api.door.rates import Rates
from kaipiao.errors import LedgerFault
from kaipiao.ledger.port import InvoiceRecord
from kaipiao.ledger.requests import KeyedRequest

LATER = {"prefer": "respond-async"}
KEY = {"idempotency-key": "9f0c2a6e"}


def token(subject: str = "erp", taxpayers: tuple[str, ...] = ("*",)) -> str:
    return TOKENS.make(subject, "issuer", taxpayers, timedelta(hours=1))


async def cancel(app: FastAPI, query: str = "order=A-1", bearer: str | None = None, **more: str) -> Answer:
    headers = {**KEY, **more}
    return await call(app, "POST", f"/v1/invoices:cancel?{query}", token=bearer or token(), headers=headers)


def test_the_same_request_gets_the_same_answer_and_is_not_done_again() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        for order in ("A-1", "A-2"):
            await post(app, sale(order), headers=LATER)
        first = await cancel(app)
        assert (first.status, "kaipiao-replayed" in first.headers) == (200, False)
        done = p.issuer.cancel

        async def never(taxpayer: str, order: str) -> InvoiceRecord:
            raise AssertionError("done again")

        p.issuer.cancel = never  # type: ignore[method-assign]
        again = await cancel(app)
        assert (again.status, again.body, again.headers["kaipiao-replayed"]) == (200, first.body, "true")
        p.issuer.cancel = done  # type: ignore[method-assign]
        assert (await cancel(app, "order=A-2", **{"idempotency-key": "other"})).json()["order"] == "A-2"

    told(story)


def test_another_request_with_the_key_is_refused_and_does_nothing() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        for order in ("A-1", "A-2"):
            await post(app, sale(order), headers=LATER)
        await cancel(app)
        for changed in (await cancel(app, "order=A-2"), await cancel(app, f"order=A-1&taxpayer={SELLER}")):
            assert (changed.status, changed.json()["code"]) == (422, "KP-HTTP-10")
        for reach in ((SELLER, OTHER), (SELLER,)):
            narrower = await cancel(app, bearer=token(taxpayers=reach))
            assert "kaipiao-replayed" not in narrower.headers, "an answer is not shown to a token that may see less"
        assert (await p.record("A-2")).state == "accepted"
        assert (await cancel(app, bearer=token("shop"))).status == 200, "another subject has keys of its own"

    told(story)


def test_one_that_is_under_way_is_waited_for() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await post(app, sale(), headers=LATER)
        done, begun, go_on = p.issuer.cancel, asyncio.Event(), asyncio.Event()

        async def slow(taxpayer: str, order: str) -> InvoiceRecord:
            begun.set()
            await go_on.wait()
            return await done(taxpayer, order)

        p.issuer.cancel = slow  # type: ignore[method-assign]
        first = asyncio.create_task(cancel(app))
        await begun.wait()
        second = await cancel(app)
        assert (second.status, second.json()["code"], second.headers["retry-after"]) == (409, "KP-HTTP-11", "1")
        go_on.set()
        assert (await first).status == 200
        assert (await cancel(app)).headers["kaipiao-replayed"] == "true"

    told(story)


def test_a_request_that_was_refused_or_failed_leaves_its_key_free() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert (await cancel(app)).status == 404
        await post(app, sale(), headers=LATER)
        done = p.issuer.cancel

        async def full(taxpayer: str, order: str) -> InvoiceRecord:
            raise LedgerFault()

        p.issuer.cancel = full  # type: ignore[method-assign]
        assert (await cancel(app)).status == 503
        p.issuer.cancel = done  # type: ignore[method-assign]
        assert (await cancel(app)).json()["state"] == "cancelled"

    told(story)


def test_what_is_kept_is_kept_for_the_time_of_the_settings() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        kept: list[timedelta] = []
        begin = p.ledger.begin_request

        async def noted(request: KeyedRequest, now: datetime, until: datetime, abandoned: datetime) -> object:
            assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
            kept.append(until - now)
            return await begin(request, now, until, abandoned)

        p.ledger.begin_request = noted  # type: ignore[assignment, method-assign]
        app.state.services = replace(app.state.services, keep_answers=timedelta(hours=3))
        await cancel(app)
        assert kept == [timedelta(hours=3)]

    told(story)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "a b", "\xe9"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await post(app, sale(), headers=LATER)
        refused = await cancel(app, **{"idempotency-key": key})
        assert (refused.status, refused.json()["fields"]) == (400, ["header.idempotency-key"])
        assert (await p.record("A-1")).state == "accepted"

    told(story)


def test_a_sale_needs_no_key_and_takes_no_harm_from_one() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        made = await post(app, sale(), headers=KEY)
        again = await post(app, sale(), headers={"idempotency-key": "other"})
        assert (made.status, again.status, again.json()) == (201, 200, made.json())
        assert (await post(app, sale("A-2"), headers=KEY)).status == 201, "its order key says which sale it is"

    told(story)


def test_programs_of_two_tenants_with_the_same_subject_share_neither_keys_nor_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`kaipiao token` calls every program erp unless told otherwise."""

    async def story(app: FastAPI, p: Point) -> None:
        monkeypatch.setattr(TOKENS, "tenants", {"a": (SELLER,), "b": ()})
        mine, theirs = (TOKENS.make("erp", "issuer", (), timedelta(hours=1), tenant=one) for one in ("a", "b"))
        await post(app, sale(), headers=LATER)
        await post(app, sale("A-2"), headers=LATER)
        assert (await cancel(app, bearer=mine)).status == 200
        stranger = await cancel(app, "order=A-2", bearer=theirs)
        assert (stranger.status, stranger.json()["code"]) == (404, "KP-FIND-01"), "not told that the key is taken"
        app.state.services = replace(app.state.services, rates=Rates(1.0))
        statuses = [(await call(app, "GET", "/v1/invoices", token=theirs)).status for _ in range(2)]
        assert statuses == [200, 429]
        assert (await call(app, "GET", "/v1/invoices", token=mine)).status == 200

    told(story)
