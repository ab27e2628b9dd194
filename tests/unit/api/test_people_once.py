"""Account management with an `Idempotency-Key`, and the limits that its description states."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parents[1] / "access"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import application, token, told
from asgi import Answer, call
from bench import Point
from people import PASSWORD

from kaipiao.api.app import create
from kaipiao.api.people.account_fields import NEW_PASSWORDS
from kaipiao.ledger.requests import KeyedRequest

TAKES = {
    "/v1/invoices:cancel",
    "/v1/accounts",
    "/v1/accounts/{account}:role",
    "/v1/accounts/{account}:disable",
    "/v1/accounts/{account}:enable",
    "/v1/accounts/{account}:unlock",
    "/v1/accounts/{account}:reset-totp",
    "/v1/alarms/{alarm}:acknowledge",
    "/v1/silences",
    "/v1/degradation",
}


async def keyed(app: FastAPI, target: str, key: str, body: object = None) -> Answer:
    raw = b"" if body is None else json.dumps(body).encode()
    return await call(app, "POST", target, token=token(), headers={"idempotency-key": key}, body=raw)


def wang(**changes: object) -> dict[str, object]:
    return {"account": "wang", "role": "issuer", "password": PASSWORD, **changes}


def test_an_account_that_is_made_again_with_its_key_is_the_same_answer() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        made, again = [await keyed(app, "/v1/accounts", "k-1", wang()) for _ in range(2)]
        assert (made.status, again.status, again.body) == (201, 201, made.body)
        assert ("kaipiao-replayed" in made.headers, again.headers["kaipiao-replayed"]) == (False, "true")
        for other in (wang(password=PASSWORD + "!"), wang(role="auditor")):
            refused = await keyed(app, "/v1/accounts", "k-1", other)
            assert (refused.status, refused.json()["code"]) == (422, "KP-HTTP-10")

    told(story)


def test_an_answer_that_holds_a_password_is_never_kept() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        assert (await keyed(app, "/v1/accounts", "k 1", wang(password=None))).status == 400, "no key at all"
        made = await keyed(app, "/v1/accounts", "k-1", wang(password=None))
        assert (made.status, len(made.json()["initial_password"])) == (201, 20)
        again = await keyed(app, "/v1/accounts", "k-1", wang(password=None))
        assert (again.status, again.json()["code"]) == (409, "KP-ACCESS-11")
        first, second = [await keyed(app, "/v1/accounts/wang:reset-password", "k-2", {}) for _ in range(2)]
        assert first.json()["initial_password"] != second.json()["initial_password"]

    told(story)


def test_what_is_kept_of_a_given_password_cannot_be_guessed_at_without_the_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        seen: list[bytes] = []
        begin = p.ledger.begin_request

        async def noted(request: KeyedRequest, *times: datetime) -> Any:
            seen.append(request.digest)
            return await begin(request, *times)

        monkeypatch.setattr(p.ledger, "begin_request", noted)
        await keyed(app, "/v1/accounts", "k-1", wang())
        await keyed(application(p), "/v1/accounts", "k-1", wang())  # the same books, other keys
        assert len(set(seen)) == 2, "the same request has another digest under other keys"

    told(story)


@pytest.mark.parametrize(("deed", "undo", "body"), [("disable", "enable", None), ("role", "role", {"role": "auditor"})])
def test_a_deed_that_is_sent_again_does_not_undo_what_came_after_it(deed: str, undo: str, body: object) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        made = await keyed(app, "/v1/accounts", "k-0", wang())
        done = await keyed(app, f"/v1/accounts/wang:{deed}", "k-1", body)
        await keyed(app, f"/v1/accounts/wang:{undo}", "k-2", body and {"role": "issuer"})
        again = await keyed(app, f"/v1/accounts/wang:{deed}", "k-1", body)
        assert (again.body, again.headers["kaipiao-replayed"]) == (done.body, "true")
        now = (await call(app, "GET", "/v1/accounts/wang", token=token())).json()
        assert (now["disabled"], now["role"]) == (made.json()["disabled"], "issuer")

    told(story)


def test_the_description_says_which_routes_take_a_key_and_no_other_does() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        taking = {
            path
            for path, operations in app.openapi()["paths"].items()
            for operation in operations.values()
            if "Idempotency-Key" in {one["name"] for one in operation["parameters"]}
        }
        assert taking == TAKES

    told(story)


OUTSIDE: list[tuple[str, dict[str, object], str]] = [
    ("/v1/accounts", wang(account="Wang"), "account"),
    ("/v1/accounts", wang(account="wang "), "account"),
    ("/v1/accounts", wang(account="w" * 65), "account"),
    ("/v1/accounts", wang(account="wang\n"), "account"),
    ("/v1/accounts", wang(tenant="a b"), "tenant"),
    ("/v1/accounts", wang(taxpayers=["91110000makp00001m"]), "taxpayers[0]"),
    ("/v1/accounts", wang(password="eleven \u0007 char"), "password"),
    ("/v1/sessions", {"account": "a", "password": "b", "totp": "28708"}, "totp"),
    ("/v1/sessions", {"account": "a", "password": "b", "totp": "２８７０８２"}, "totp"),
    ("/v1/sessions", {"account": "a", "password": "b", "totp": "287082\n"}, "totp"),
]


@pytest.mark.parametrize(("path", "body", "field"), OUTSIDE)
def test_what_is_outside_of_the_schema_is_refused_by_its_field(path: str, body: dict[str, object], field: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        refused = await keyed(app, path, "k-1", body)
        assert (refused.status, refused.json()["code"]) == (422, "KP-INPUT-04")
        assert [one["path"] for one in refused.json()["fields"]] == [field]

    told(story)


@pytest.mark.parametrize(("count", "code"), [(1000, "KP-FIND-02"), (1001, "KP-INPUT-04")])
def test_a_body_may_be_as_large_as_its_fields_may_be(count: int, code: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        most = wang(taxpayers=[f"{place:020}" for place in range(count)], password="🔑" * 1024)
        assert (await keyed(app, "/v1/accounts", "k-1", most)).json()["code"] == code

    told(story)


@pytest.mark.parametrize("code", ["287082", "abcd-efgh-jkmn-pqrs", "ABCD EFGH JKMN PQRS ", "abcdefghjkmnpqrs"])
def test_a_code_as_people_type_it_is_judged(code: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        refused = await keyed(app, "/v1/sessions", "k-1", {"account": "a", "password": "b", "totp": code})
        assert refused.json()["code"] == "KP-ACCESS-08"

    told(story)


@pytest.mark.parametrize("shortest", [8, 15])
def test_the_shortest_password_of_the_settings_stands_in_the_description_and_is_refused_below(shortest: int) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        services = app.state.services
        access = services.access.model_copy(update={"password_length": shortest})
        there = create(replace(services, access=access))
        for path, name in NEW_PASSWORDS.items():
            content = there.openapi()["paths"][path]["post"]["requestBody"]["content"]["application/json"]
            field = content["schema"]["properties"][name]
            assert field.get("minLength", field.get("anyOf", [{}])[0].get("minLength")) == shortest
        short, enough = "abcdefgh-ijklmn"[: shortest - 1], "abcdefgh-ijklmn"[:shortest]
        longer_in_nfkc = "ﬃ" + short[1:]  # three letters in one
        for password in (short, longer_in_nfkc):
            refused = await keyed(there, "/v1/accounts", "k-1", wang(password=password))
            assert (refused.status, refused.json()["code"]) == (422, "KP-ACCESS-10")
        assert (await keyed(there, "/v1/accounts", "k-1", wang(password=enough))).status == 201

    told(story)
