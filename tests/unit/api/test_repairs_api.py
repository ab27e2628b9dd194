"""Successors and the repair toolbox, as a caller meets them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import everything, post, sale, token, told
from asgi import Answer, call
from bench import OTHER, SELLER, Point

from kaipiao.invoice.lifecycle import State

JSON = {"content-type": "application/json"}


async def refused(app: FastAPI, p: Point, order: str = "A-1") -> str:
    number: str = (await post(app, sale(order))).json()["number"]
    p.bureau.refusals[number] = "额度不足"
    await p.run(60, every=10)
    assert await p.state(order) is State.REJECTED
    return number


async def succeed(app: FastAPI, number: str, body: dict[str, Any] | None = None, **more: Any) -> Answer:
    raw = b"" if body is None else json.dumps(body).encode()
    more = {"token": token("issuer"), **more}
    return await call(app, "POST", f"/v1/invoices:replace?number={number}", body=raw, headers=JSON, **more)


async def mend(app: FastAPI, *, bearer: str | None = None, **form: Any) -> Answer:
    body = {"tool": "succeed", "reason": "试", "dry_run": True, **form}
    return await call(
        app, "POST", "/v1/repairs", token=bearer or token("operator"), body=json.dumps(body).encode(), headers=JSON
    )


async def get(app: FastAPI, path: str, role: str = "admin") -> Any:
    answer = await call(app, "GET", path, token=token(role))
    assert answer.status == 200, answer.body
    return answer.json()


def test_a_refused_invoice_is_replaced_and_both_are_shown_with_their_trail() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        number = await refused(app, p)
        answer = await succeed(app, number)
        assert answer.status == 201
        new = answer.json()["successor"]["number"]
        assert (answer.json()["replaced"]["state"], answer.json()["replaced"]["replaced_by"]) == ("replaced", new)
        again = await succeed(app, number)
        assert (again.status, again.json(), again.headers["kaipiao-replayed"]) == (200, answer.json(), "true")
        (live,) = await get(app, "/v1/invoices?order=A-1")
        assert (live["number"], live["replaces"], live["replaced_by"]) == (new, number, None)
        old = await get(app, f"/v1/invoices/{number}")
        assert (old["replaces"], old["replaced_by"]) == (None, new)
        assert f"已由 {new} 替换" in old["notice"]
        assert "Do not use it" in old["notice"]
        kinds = [event["kind"] for event in await get(app, f"/v1/invoices/{new}/events")]
        assert {"rejected", "state.replaced"} <= set(kinds)
        assert await get(app, f"/v1/invoices/{number}/events") == await get(app, f"/v1/invoices/{new}/events")
        document = await call(app, "GET", f"/v1/invoices/{number}/document", token=token())
        assert document.headers["kaipiao-replaced-by"] == new
        renewed = await call(app, "GET", f"/v1/invoices/{new}/document", token=token())
        assert "kaipiao-replaced-by" not in renewed.headers
        assert new.encode() in renewed.body

    told(story)


def test_a_corrected_sale_replaces_the_refused_one_and_another_correction_is_a_conflict() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        number = await refused(app, p)
        corrected = sale("A-1", remark="更正")
        answer = await succeed(app, number, corrected)
        assert answer.status == 201
        assert (await succeed(app, number, corrected)).status == 200
        other = await succeed(app, number, sale("A-1", remark="再更正"))
        assert (other.status, other.json()["code"]) == (409, "KP-ORDER-01")
        assert (await succeed(app, number, sale("A-2"))).json()["code"] == "KP-ORDER-01"
        new = answer.json()["successor"]["number"]
        xml = await call(app, "GET", f"/v1/invoices/{new}/document", token=token())
        assert "更正".encode() in xml.body

    told(story)


def test_what_is_not_finally_refused_is_not_replaced_and_the_answer_says_why() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        number = (await post(app, sale())).json()["number"]
        answer = await succeed(app, number)
        assert (answer.status, answer.json()["code"], answer.json()["state"]) == (409, "KP-ORDER-05", "issued")
        assert (await succeed(app, "26449999999999999999")).status == 404

    told(story)


@pytest.mark.parametrize("number", ["", "1", "2" * 19 + "²", "x" * 20, "0" * 21, "%00", "1" * 5000])
def test_what_is_no_number_replaces_nothing(number: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        before = await everything(p.ledger)
        answer = await call(
            app, "POST", f"/v1/invoices:replace?number={number.encode().hex() if '²' in number else number}",
            token=token("issuer"),
        )  # fmt: skip
        assert answer.status in (400, 404)
        assert await everything(p.ledger) == before

    told(story)


def test_what_is_repairable_is_listed_shown_tried_and_mended() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert await get(app, "/v1/repairs", "operator") == []
        number = await refused(app, p)
        (one,) = await get(app, "/v1/repairs", "operator")
        assert (one["number"], one["state"], one["tools"]) == (
            number, "rejected", ["resend-same-number", "succeed", "adopt"],
        )  # fmt: skip
        shown = await get(app, f"/v1/repairs/{number}", "operator")
        assert {tool["tool"]: tool["possible"] for tool in shown["tools"]} == {
            "resend-same-number": True, "succeed": True, "adopt": False,
        }  # fmt: skip
        before = await everything(p.ledger)
        planned = await mend(app, tool="resend-same-number", number=number)
        assert (planned.status, planned.json()["done"], planned.json()["against"]) == (200, False, [])
        assert number in planned.json()["would"][0]
        assert await everything(p.ledger) == before
        del p.bureau.refusals[number]
        done = (await mend(app, tool="resend-same-number", number=number, dry_run=False)).json()
        assert (done["done"], done["before"], done["after"]) == (True, "rejected", "issued")
        await p.run(60, every=10)
        assert await p.state("A-1") is State.CONFIRMED
        events = await p.ledger.events(taxpayer=SELLER, subject="A-1")
        (event,) = [e for e in events if e.kind == "repair.resend"]
        assert (event.data["actor"], event.data["reason"]) == ("test", "试")
        again = await mend(app, tool="resend-same-number", number=number, dry_run=False)
        assert (again.status, again.json()["code"]) == (409, "KP-REPAIR-01")

    told(story)


def test_a_successor_by_the_toolbox_names_the_new_number() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        number = await refused(app, p)
        done = (await mend(app, number=number, dry_run=False)).json()
        assert (await p.record("A-1")).number == done["successor"]
        assert done["after"] == "replaced"

    told(story)


@pytest.mark.parametrize(
    "form",
    [
        {"number": "1"},
        {"number": 7},
        {"number": "2" * 19 + "²"},
        {"number": "26449999999999999999", "tool": "x" * 41},
        {"number": "26449999999999999999", "reason": ""},
        {"number": "26449999999999999999", "reason": "长" * 201},
        {"number": "26449999999999999999", "dry_run": "no"},
        {"number": "26449999999999999999", "more": 1},
        {"number": "26449999999999999999", "tool": "../../etc/passwd"},
        {"number": "26449999999999999999", "taxpayer": OTHER},
    ],
)
def test_a_form_that_is_none_is_refused_and_touches_nothing(form: dict[str, Any]) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        before = await everything(p.ledger)
        answer = await mend(app, **form)
        assert answer.status in (400, 404, 422)
        assert b"Traceback" not in answer.body
        assert await everything(p.ledger) == before

    told(story)


def test_nobody_replaces_or_mends_what_is_anothers() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        number = await refused(app, p)
        services = app.state.services
        app.state.services = replace(services, taxpayers=(SELLER, OTHER))
        theirs = token(taxpayers=(OTHER,))
        before = await everything(p.ledger)
        for query in (f"number={number}", f"number={number}&taxpayer={SELLER}"):
            for body in (b"", json.dumps(sale("A-1")).encode()):
                path = f"/v1/invoices:replace?{query}"
                answer = await call(app, "POST", path, token=theirs, body=body, headers=JSON)
                assert answer.status == 404
        assert (await call(app, "GET", "/v1/repairs", token=theirs)).json() == []
        for path in (
            f"/v1/repairs?taxpayer={SELLER}",
            f"/v1/repairs/{number}",
            f"/v1/repairs/{number}?taxpayer={SELLER}",
        ):
            answer = await call(app, "GET", path, token=theirs)
            assert (answer.status, number.encode() in answer.body and "number" in path) == (404, False)
        for dry_run in (True, False):
            for tool in ("resend-same-number", "succeed", "settle-now", "adopt"):
                answer = await mend(app, bearer=theirs, tool=tool, number=number, taxpayer=SELLER, dry_run=dry_run)
                assert answer.status == 404
            answer = await mend(app, bearer=theirs, tool="resend-same-number", number=number, dry_run=dry_run)
            assert "A-1" not in answer.body.decode()
            assert answer.status == (200 if dry_run else 409)  # of a number that is nothing to the caller
        assert await everything(p.ledger) == before

    told(story)
