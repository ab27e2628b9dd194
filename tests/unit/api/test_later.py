"""Accepted first, numbered later, cancelled until then: as a caller meets it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import post, sale, token, told
from asgi import Answer, call
from bench import OTHER, SELLER, Point
from fastapi import FastAPI

from kaipiao.api.sales import later
from kaipiao.errors import NumbersExhausted
from kaipiao.invoice.model import Draft
from kaipiao.issuing.issuer import Issued

LATER = {"prefer": "respond-async"}


async def cancel(app: FastAPI, query: str, role: str = "issuer", **more: str) -> Answer:
    return await call(app, "POST", f"/v1/invoices:cancel?{query}", token=token(role), headers=more)


def test_an_accepted_order_is_answered_at_once_found_where_the_answer_says_and_numbered_later() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        answer = await post(app, sale("A 1/ü"), headers=LATER)
        assert (answer.status, answer.headers["preference-applied"]) == (202, "respond-async")
        record = answer.json()
        assert (record["state"], record["number"], record["total"]) == ("accepted", None, "106.00")
        where = answer.headers["location"]
        assert (await call(app, "GET", where, token=token())).json() == [record]
        again = await post(app, sale("A 1/ü"), headers=LATER)
        assert (again.status, again.json()) == (202, record)
        await p.numberer.round()
        (issued,) = (await call(app, "GET", where, token=token())).json()
        assert (issued["state"], len(issued["number"])) == ("issued", 20)
        after = await post(app, sale("A 1/ü"), headers=LATER)
        assert (after.status, after.json()["number"]) == (200, issued["number"])
        assert "preference-applied" not in after.headers
        assert after.headers["kaipiao-replayed"] == "true"

    told(story)


def test_a_call_that_waits_numbers_an_accepted_order_now() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert (await post(app, sale(), headers=LATER)).status == 202
        made = await post(app, sale())
        assert (made.status, "kaipiao-replayed" in made.headers) == (201, False)
        again = await post(app, sale())
        assert (again.status, again.json()) == (200, made.json())

    told(story)


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        ("respond-async, wait=10", 201),
        ("wait=10,RESPOND-ASYNC", 201),
        ("respond-async, wait=0", 202),
        ("respond-async, wait=²", 202),
        ("RESPOND-ASYNC, wait=no", 202),
        ("respond-async;x=1", 202),
        ("wait=10", 201),
        ("return=minimal", 201),
        ("no-respond-async", 201),
        (", ,", 201),
    ],
)
def test_the_preference_is_read_as_rfc_7240_writes_it(prefer: str, status: int) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert (await post(app, sale(), headers={"prefer": prefer})).status == status

    told(story)


def test_who_waits_a_while_is_answered_without_a_number_only_when_there_is_none_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        issue, tries = p.issuer.issue, 0

        async def scarce(draft: Draft) -> Issued:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise NumbersExhausted()
            return await issue(draft)

        p.issuer.issue = scarce  # type: ignore[method-assign]
        monkeypatch.setattr(later, "LOOK_SECONDS", 0.01)
        waiting = await post(app, sale("A-1"), headers={"prefer": "respond-async, wait=5"})
        assert (waiting.status, tries) == (201, 3)
        tries = -1000
        monkeypatch.setattr(later, "MOST_WAIT", 0.1)
        short = await post(app, sale("A-2"), headers={"prefer": "respond-async;x=9, wait=99"})
        assert (short.status, short.json()["state"]) == (202, "accepted")

    told(story)


def test_an_order_key_of_several_taxpayers_is_cancelled_only_when_its_taxpayer_is_named() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        app.state.services = replace(app.state.services, taxpayers=(SELLER, OTHER))
        find = p.ledger.find

        async def anywhere(taxpayer: str, **what: Any) -> Any:
            return await find(SELLER, **what)

        await post(app, sale(), headers=LATER)
        p.ledger.find = anywhere  # type: ignore[method-assign]
        several = await cancel(app, "order=A-1")
        assert (several.status, several.json()["code"]) == (409, "KP-ORDER-04")
        p.ledger.find = find  # type: ignore[method-assign]
        assert (await cancel(app, "order=A-1")).json()["state"] == "cancelled"
        assert (await cancel(app, "order=A-2")).status == 404

    told(story)


def test_what_cannot_be_issued_is_refused_at_once_and_other_content_is_a_conflict() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert (await post(app, sale(kind="special"), headers=LATER)).status == 422
        assert (await post(app, sale(seller="91440300MA5EXMPLXX"), headers=LATER)).status == 404
        assert (await post(app, sale(), headers=LATER)).status == 202
        other = await post(app, sale(remark="other"), headers=LATER)
        assert (other.status, other.json()["code"], other.json()["fields"]) == (409, "KP-ORDER-01", ["remark"])

    told(story)


def test_an_accepted_order_can_be_cancelled_and_its_key_stays_taken() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        order = "A&1=%2F 订单"
        await post(app, sale(order), headers=LATER)
        query = f"order={quote(order)}"
        cancelled = await cancel(app, query)
        assert (cancelled.status, cancelled.json()["state"], cancelled.json()["order"]) == (200, "cancelled", order)
        assert (await cancel(app, f"{query}&taxpayer={SELLER}")).json() == cancelled.json()
        for headers in (LATER, {}):
            again = await post(app, sale(order), headers={**headers, "accept-language": "en"})
            assert (again.status, again.json()["code"], again.json()["send_again"]) == (409, "KP-ORDER-03", "no")
            assert "new order key" in again.json()["next_step"]
        assert await p.numberer.round() == 0

    told(story)


def test_what_has_a_number_cannot_be_cancelled_and_is_told_what_to_do_instead() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        made = (await post(app, sale())).json()
        for language, word in (("zh", "红字"), ("en", "red letter")):
            refused = await cancel(app, "order=A-1", **{"accept-language": language})
            problem = refused.json()
            assert (refused.status, problem["code"], problem["number"]) == (409, "KP-ORDER-02", made["number"])
            assert word in problem["next_step"]

    told(story)


def test_only_who_may_issue_cancels_and_only_orders_of_its_own_taxpayers() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await post(app, sale(), headers=LATER)
        assert (await call(app, "POST", "/v1/invoices:cancel?order=A-1")).status == 401
        assert (await cancel(app, "order=A-1", "auditor")).status == 403
        stranger = token("issuer", ("91440300MA5EXMPLXX",))
        assert (await call(app, "POST", "/v1/invoices:cancel?order=A-1", token=stranger)).status == 404
        assert (await cancel(app, "order=A-1&taxpayer=91440300MA5EXMPLXX")).status == 404
        assert (await cancel(app, "order=A-2")).status == 404
        for query in ("", "order=", "order=A-1&order=A-2", "ordr=A-1", f"order={'x' * 129}"):
            assert (await cancel(app, query)).status == 400
        assert (await call(app, "GET", "/v1/invoices?order=A-1", token=token())).json()[0]["state"] == "accepted"

    told(story)
