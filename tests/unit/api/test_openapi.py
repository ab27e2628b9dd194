"""The description of the API says what really happens: statuses, problems, limits, names."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import post, sale, token, told
from asgi import call
from bench import Point
from fastapi import FastAPI

from kaipiao.api.door.body_pace import BodyPace


def responses(app: FastAPI, path: str, method: str = "get") -> dict[str, Any]:
    found: dict[str, Any] = app.openapi()["paths"][path][method]["responses"]
    return found


def test_the_statuses_that_issuing_has_are_all_documented() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        wanted = {
            "200",
            "201",
            "202",
            "400",
            "401",
            "403",
            "404",
            "408",
            "409",
            "413",
            "415",
            "422",
            "429",
            "500",
            "503",
        }
        assert set(responses(app, "/v1/invoices", "post")) == wanted

    told(story)


def test_no_form_of_the_framework_is_left_in_the_description() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert "HTTPValidationError" not in json.dumps(app.openapi())

    told(story)


def test_the_example_of_the_description_is_issued_as_it_stands_but_for_the_seller() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        content = app.openapi()["paths"]["/v1/invoices"]["post"]["requestBody"]["content"]["application/json"]
        assert (await post(app, {**content["example"], "seller": sale()["seller"]})).status == 201

    told(story)


@pytest.mark.parametrize(
    "query", ["ordr=A-1", "order=A-1&order=A-2", "limit=5&x=", "after=9223372036854775808", "after=%EF%BC%91", "order="]
)
def test_a_parameter_that_is_unknown_doubled_or_out_of_range_is_refused(query: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        answer = await call(app, "GET", f"/v1/invoices?{query}", token=token())
        assert answer.status == 400
        assert answer.json()["code"] == "KP-INPUT-01"

    told(story)


@pytest.mark.parametrize("after", [2**63, 10**30])
def test_a_position_beyond_any_event_is_refused(after: int) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert (await call(app, "GET", f"/v1/events?after={after}", token=token())).status == 400

    told(story)


@pytest.mark.parametrize("path", ["/healthz", "/v1/invoices?limit=1", "/v1/status"])
def test_head_is_get_without_a_body(path: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        head = await call(app, "HEAD", path, token=token())
        assert (head.status, head.body) == (200, b"")
        assert (await call(app, "HEAD", "/v1/status")).status == 401

    told(story)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/invoices", "GET, HEAD, POST"),
        ("/healthz", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/v1/accounts/wang", "GET, HEAD"),
        ("/v1/accounts/wang:unlock", "POST"),
    ],
)
def test_a_wrong_method_is_told_every_right_one(path: str, allowed: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        answer = await call(app, "PATCH", path, token=token())
        assert answer.status == 405
        assert ", ".join(sorted(answer.headers["allow"].split(", "))) == allowed
        assert answer.json()["code"] == "KP-HTTP-01"

    told(story)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("APPLICATION/JSON; charset=UTF-8", 201),
        ('application/json;charset="utf-8"', 201),
        ("application/vnd.shop+json", 201),
        ("application/json; charset=gbk", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("application/xml", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonp", 415),
    ],
)
def test_a_body_that_says_it_is_no_json_is_not_read(content_type: str, status: int) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        answer = await post(app, sale(), headers={"content-type": content_type})
        assert answer.status == status
        if status == 415:
            assert "application/json" in answer.json()["next_step"]

    told(story)


def test_two_tokens_in_one_request_are_none() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        scope_headers = [(b"authorization", f"Bearer {token()}".encode())] * 2
        answers: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/status",
            "raw_path": b"/v1/status",
            "query_string": b"",
            "headers": scope_headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await app(scope, receive, send)
        assert answers == [401]

    told(story)


def test_a_caller_who_leaves_half_way_is_no_defect_and_stores_nothing() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": b'{"order"', "more_body": True},
            {"type": "http.disconnect"},
        ]
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await app(_posting(), receive, send)
        assert statuses == [400]
        assert await p.ledger.page(sale()["seller"]) == []

    told(story)


def test_a_body_that_does_not_come_is_408() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        app.state.services = replace(app.state.services, body_pace=BodyPace(seconds=0.05))
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(10)
            raise AssertionError

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await app(_posting(), receive, send)
        assert statuses == [408]

    told(story)


def _posting() -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/invoices",
        "raw_path": b"/v1/invoices",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token()}".encode()), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
