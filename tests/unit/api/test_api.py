"""The API as a caller meets it: answers, problems, languages, bad and hostile input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import post, sale, token, told
from asgi import call
from bench import SELLER, Point

from kaipiao.errors import LedgerFault


def test_one_call_makes_one_sealed_invoice_and_the_same_call_gets_the_same_answer() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        first = await post(app, sale())
        assert first.status == 201
        made = first.json()
        assert made["total"] == "106.00"
        assert len(made["number"]) == 20
        again = await post(app, sale())
        assert again.status == 200
        assert again.json() == made
        assert again.headers["kaipiao-replayed"] == "true"

    told(story)


def test_what_was_issued_can_be_read_by_number_and_by_order_with_its_document_seal_and_events() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        made = (await post(app, sale())).json()
        number = made["number"]
        shown = (await call(app, "GET", f"/v1/invoices/{number}", token=token())).json()
        by_order = (await call(app, "GET", "/v1/invoices?order=A-1", token=token())).json()
        assert by_order == [shown]
        assert shown["state"] == "issued"
        document = await call(app, "GET", f"/v1/invoices/{number}/document", token=token())
        assert document.headers["content-sm3"] == made["seal"]["digest"]
        assert number.encode() in document.body
        seal = (await call(app, "GET", f"/v1/invoices/{number}/seal", token=token())).json()
        assert seal["digest"] == made["seal"]["digest"]
        events = (await call(app, "GET", f"/v1/invoices/{number}/events", token=token())).json()
        assert [e["kind"] for e in events] == ["issued"]

    told(story)


def test_problems_are_rfc_9457_in_the_callers_language() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        for header, word in (
            ("zh-CN,zh;q=0.9", "发票不符合开具规则"),
            ("en-GB", "The invoice breaks the rules of issuing"),
        ):
            refused = await post(app, sale(kind="special"), headers={"accept-language": header})
            assert refused.status == 422
            assert refused.headers["content-type"].startswith("application/problem+json")
            problem = refused.json()
            assert problem["title"] == word
            assert problem["code"] == "KP-RULE-00"
            assert problem["send_again"] == "after_change"
            assert problem["next_step"]
            assert problem["findings"]
            assert problem["request_id"] == refused.headers["x-request-id"]

    told(story)


def test_another_content_under_the_same_order_is_409_with_the_fields_that_differ() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await post(app, sale())
        refused = await post(app, sale(remark="不同"))
        assert refused.status == 409
        assert refused.json()["fields"] == ["remark"]
        assert refused.json()["send_again"] == "no"

    told(story)


HOSTILE: list[tuple[str, bytes, set[int]]] = [
    ("nothing", b"", {400, 422}),
    ("not JSON", b"hello", {400, 422}),
    ("cut half-way", json.dumps(sale()).encode()[:100], {400, 422}),
    ("an array", b"[]", {400, 422}),
    ("null", b"null", {400, 422}),
    ("not UTF-8", b'{"order": "\xff\xfe"}', {400, 422}),
    ("GBK", json.dumps(sale(), ensure_ascii=False).encode("gbk"), {400, 422}),
    ("deep", b"[" * 100_000, {400, 413, 422}),
    ("NaN", json.dumps(sale()).replace('"53.00"', "NaN").encode(), {400, 422}),
    ("infinite", json.dumps(sale()).replace('"53.00"', "1e400").encode(), {400, 422}),
    ("infinite text", json.dumps(sale()).replace("53.00", "1e400").encode(), {422}),
    ("negative zero", json.dumps(sale()).replace("53.00", "-0.00").encode(), {422}),
    ("a key twice", json.dumps(sale()).replace('"kind"', '"order": "B", "kind"').encode(), {400, 422}),
    ("an unknown field", json.dumps(sale(total="1")).encode(), {400, 422}),
    ("no order", json.dumps({k: v for k, v in sale().items() if k != "order"}).encode(), {400, 422}),
    ("an empty order", json.dumps(sale(order="")).encode(), {400, 422}),
    ("an order with control characters", json.dumps(sale(order="A\u0000B")).encode(), {400, 422}),
    ("XML in the remark", json.dumps(sale(remark="a\u0001b")).encode(), {400, 422}),
    ("5,001 lines", json.dumps(sale(lines=sale()["lines"] * 5001)).encode(), {400, 413, 422}),
    ("no lines", json.dumps(sale(lines=[])).encode(), {400, 422}),
    ("another seller", json.dumps(sale(seller="91110108MA01EXMP2X")).encode(), {404, 422}),
]


@pytest.mark.parametrize(("what", "body", "statuses"), HOSTILE, ids=[h[0] for h in HOSTILE])
def test_bad_input_is_refused_with_a_code_and_nothing_is_stored(what: str, body: bytes, statuses: set[int]) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        refused = await post(app, body)
        assert refused.status in statuses, refused.body
        problem = refused.json()
        assert problem["code"].startswith("KP-")
        assert problem["next_step"]
        assert "Traceback" not in refused.body.decode()
        assert await p.ledger.page(SELLER) == []
        assert (await p.ledger.number_counts(SELLER, "pretend", 2026)).used == 0

    told(story)


def test_a_huge_body_is_refused_before_it_is_held() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        declared = await post(app, b"{}", headers={"content-length": str(50 * 1024 * 1024)})
        assert declared.status == 413
        streamed = await post(app, [b" " * 65536] * 800)
        assert streamed.status == 413
        packed = await post(app, b"\x1f\x8b", headers={"content-encoding": "gzip"})
        assert packed.status == 415

    told(story)


def test_every_address_but_health_wants_a_token_and_the_right_permission() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        app.state.services.refusals.seconds_to_hold = lambda source: 0.0
        open_paths = {"/healthz", "/readyz", "/openapi.json", "/v1/sessions"}
        schema = app.openapi()
        for path, operations in schema["paths"].items():
            for method in operations:
                target = path.replace("{number}", "26447000000000000001")
                bare = await call(app, method.upper(), target)
                assert (bare.status != 401) == (path in open_paths), path
                forged = await call(app, method.upper(), target, token="a.b.c")
                assert (forged.status != 401) == (path in open_paths), path
        assert (await post(app, sale(), token=token("auditor"))).status == 403
        assert (await call(app, "GET", "/v1/audit", token=token("issuer"))).status == 403

    told(story)


def test_a_token_for_another_taxpayer_finds_nothing_and_issues_nothing() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        number = (await post(app, sale())).json()["number"]
        stranger = token("admin", ("91110108MA01EXMP2X",))
        for path in ("", "/document", "/seal", "/events"):
            assert (await call(app, "GET", f"/v1/invoices/{number}{path}", token=stranger)).status == 404
        assert (await call(app, "GET", "/v1/invoices?order=A-1", token=stranger)).json() == []
        assert (await post(app, sale("B"), token=stranger)).status == 404
        assert (await call(app, "GET", "/v1/books", token=stranger)).body == b""
        events = (await call(app, "GET", "/v1/events", token=stranger)).json()
        assert all(event["taxpayer"] is None for event in events)

    told(story)


@pytest.mark.parametrize("number", ["1", "x" * 20, "２" * 20, "26447000000000000001%00", "../../etc/passwd"])
def test_a_number_that_cannot_be_one_is_not_found(number: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert (await call(app, "GET", f"/v1/invoices/{number}", token=token())).status == 404

    told(story)


def test_a_defect_says_nothing_of_itself() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError("secret detail")

        p.ledger.find = broken  # type: ignore[assignment, method-assign]
        answer = await call(app, "GET", "/v1/invoices?order=A-1", token=token())
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert answer.json()["code"] == "KP-INTERNAL-01"

    told(story)


def test_a_defect_in_a_sale_says_nothing_of_itself_and_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        async def broken(*_: object, **__: object) -> None:
            raise RuntimeError("secret detail")

        p.issuer.issue = broken  # type: ignore[assignment, method-assign]
        answer = await post(app, sale())
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert answer.json()["code"] == "KP-INTERNAL-01"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]

    told(story)
    assert [record.message for record in caplog.records if record.exc_info] == ["defect"]


def test_a_ledger_that_cannot_write_is_503_with_retry_after() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        async def full(*_: object) -> None:
            raise LedgerFault()

        p.ledger.admit = full  # type: ignore[assignment, method-assign]
        answer = await post(app, sale())
        assert answer.status == 503
        assert answer.headers["retry-after"]
        assert answer.json()["send_again"] == "same_order_key"

    told(story)


def test_status_health_audit_and_books() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await post(app, sale())
        assert (await call(app, "GET", "/healthz")).json()["status"] == "ok"
        assert (await call(app, "GET", "/readyz")).status == 200
        status = (await call(app, "GET", "/v1/status", token=token())).json()
        seller = status["taxpayers"][0]
        assert seller["states"]["issued"] == 1
        assert 0 < seller["cover_hours"] <= 48
        assert seller["cover_bound"]
        audit = (await call(app, "GET", "/v1/audit", token=token())).json()
        assert audit["sound"]
        books = (await call(app, "GET", "/v1/books", token=token())).body.splitlines()
        assert json.loads(books[0])["order"] == "A-1"

    told(story)


def test_unknown_addresses_and_methods_are_problems_too() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        for method, path, status in (
            ("GET", "/nowhere", 404),
            ("DELETE", "/v1/invoices", 405),
            ("GET", "/v1/invoices?limit=x", 400),
        ):
            answer = await call(app, method, path, token=token())
            assert answer.status == status
            assert answer.json()["code"].startswith("KP-")

    told(story)
