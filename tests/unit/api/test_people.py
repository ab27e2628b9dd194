"""People over HTTP: signing in and out, one's own account, managing accounts, and the audit view of it all."""

from __future__ import annotations

import asyncio
import contextvars
import json
import re
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

sys.path.insert(0, str(Path(__file__).parents[1] / "issuing"))
sys.path.insert(0, str(Path(__file__).parents[1] / "access"))
sys.path.insert(0, str(Path(__file__).parent))

from api_stand import CHEAP, TOKENS, post, sale, token, told
from asgi import Answer, call
from bench import SELLER, Point
from people import PASSWORD, code_at, secret_in
from people_calls import make, send, session, sign_in

from kaipiao.access import audit, passwords
from kaipiao.api.people.parts import people_over
from kaipiao.clock import SystemClock
from kaipiao.ledger.port import EventDraft

NEW = "five other plain words here"


async def audited(app: FastAPI, query: str = "", bearer: str | None = None) -> list[dict[str, Any]]:
    answer = await call(app, "GET", f"/v1/audit/events{query}", token=bearer or token("auditor"))
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()
    return found


def test_a_person_signs_in_works_and_signs_out() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await make(app, "wang", "issuer")
        bearer = await session(app, "wang")
        assert (await post(app, sale(), token=bearer)).status == 201
        assert (await call(app, "GET", "/v1/status", token=bearer)).json()["code"] == "KP-ACCESS-03"
        assert (await send(app, "DELETE", "/v1/sessions/current", bearer)).status == 204
        refused = await call(app, "GET", "/v1/account", token=bearer)
        assert (refused.status, refused.json()["code"]) == (401, "KP-ACCESS-13")
        assert (await post(app, sale("A-2"), token=bearer)).status == 401
        assert (await call(app, "GET", "/v1/invoices", token=await session(app, "wang"))).status == 200

    told(story)


def test_a_wrong_log_in_is_401_and_a_locked_one_429_with_the_time_to_wait_in_either_case_alike() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await make(app, "wang")

        def about(answer: Answer) -> tuple[int, Any]:
            said = answer.json()
            return answer.status, {k: v for k, v in said.items() if k not in ("request_id", "instance", "retry_after")}

        seen: dict[str, list[Any]] = {"wang": [], "nobody": []}
        for name, found in seen.items():
            for _ in range(4):
                answer = await sign_in(app, name, "wrong password")
                found.append(about(answer))
            assert answer.status == 429
            assert 295 <= int(answer.headers["retry-after"]) <= 300
            assert re.search(name, answer.body.decode()) is None
        assert seen["wang"] == seen["nobody"]
        assert [status for status, _ in seen["wang"]] == [401, 401, 401, 429]

    told(story)


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_what_a_proxy_says_of_the_source_is_not_believed(header: str) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        statuses = []
        for number in range(5):
            body = json.dumps({"account": f"n{number}", "password": "x"}).encode()
            said = {header: f"for=203.0.113.{number}" if header == "forwarded" else f"203.0.113.{number}"}
            statuses.append((await call(app, "POST", "/v1/sessions", body=body, headers=said)).status)
        assert statuses == [401, 401, 401, 429, 429]

    told(story)


HOSTILE: list[tuple[bytes, int]] = [
    (b"", 422),
    (b"[]", 400),
    (b"\xff", 400),
    (b'{"account": "a", "password": "b", "account": "c"}', 400),
    (b'{"account": "a", "password": ["b"]}', 422),
    (b'{"account": "a", "password": "b", "admin": true}', 422),
    (b'{"account": "", "password": "b"}', 422),
    (b'{"account": "a", "password": ""}', 422),
    (b'{"account": "a", "password": "' + b"x" * 1025 + b'"}', 422),
    (b'{"account": "a", "password": "' + b"x" * 70_000 + b'"}', 413),
    (json.dumps({"account": "a", "password": "票" * 342}).encode(), 422),
    (b'{"account": "a", "password": "\\ud800"}', 422),
    (b'{"account": "a\\u0000b", "password": "b\\u0000c"}', 401),
    (b'{"account": "a", "password": "b", "totp": "\\u0000"}', 422),
    (b'{"account": "' + "ﷺ".encode() * 80 + b'", "password": "b"}', 401),
]


@pytest.mark.parametrize(("body", "status"), HOSTILE)
def test_hostile_bodies_are_refused_and_nothing_in_them_is_said_again(body: bytes, status: int) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        answer = await call(app, "POST", "/v1/sessions", body=body)
        assert answer.status == status, answer.body
        assert b"xxxx" not in answer.body

    told(story)


def test_what_a_person_does_to_its_own_account_touches_nobody_elses() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        for name in ("wang", "li"):
            await make(app, name)
        wang, li = await session(app, "wang"), await session(app, "li")
        before = await p.ledger.account("li")
        assert (await send(app, "GET", "/v1/account", wang)).json()["account"] == "wang"
        begun = await send(app, "POST", "/v1/account/totp", wang, {"password": PASSWORD})
        code = code_at(secret_in(begun.json()["uri"]), SystemClock().now().timestamp())
        assert (await send(app, "POST", "/v1/account/totp:confirm", wang, {"code": code})).status == 200
        assert (await sign_in(app, "wang")).status == 401, "codes are on now"
        await send(app, "POST", "/v1/accounts/wang:reset-totp", token())
        wang = await session(app, "wang")
        changed = await send(
            app, "POST", "/v1/account/password", wang, {"password": PASSWORD, "new_password": NEW, "account": "li"}
        )
        assert changed.status == 422, "no field says whose account it is"
        body = {"password": PASSWORD, "new_password": NEW}
        assert (await send(app, "POST", "/v1/account/password", wang, body)).status == 204
        assert (await send(app, "DELETE", "/v1/sessions/current", wang)).status == 401, "the new password ended it"
        assert (await sign_in(app, "wang", NEW)).status == 201
        assert await p.ledger.account("li") == before
        assert (await send(app, "GET", "/v1/account", li)).status == 200

    told(story)


def test_a_token_for_programs_has_no_account_of_its_own() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        for method, path in (("DELETE", "/v1/sessions/current"), ("GET", "/v1/account"), ("POST", "/v1/account/totp")):
            answer = await send(app, method, path, token())
            assert (answer.status, answer.json()["code"]) == (403, "KP-ACCESS-03")

    told(story)


def test_an_admin_without_codes_may_only_set_them_up_where_the_settings_want_them() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        app.state.services = replace(app.state.services, access=CHEAP.model_copy(update={"admin_totp": True}))
        app.state.people = people_over(app.state.services)
        await make(app, "root", "admin")
        signed = (await sign_in(app, "root")).json()
        assert signed["must"] == ["totp"]
        refused = await send(app, "GET", "/v1/accounts", signed["token"])
        assert (refused.status, refused.json()["code"]) == (403, "KP-ACCESS-14")
        begun = await send(app, "POST", "/v1/account/totp", signed["token"], {"password": PASSWORD})
        code = code_at(secret_in(begun.json()["uri"]), SystemClock().now().timestamp())
        confirmed = await send(app, "POST", "/v1/account/totp:confirm", signed["token"], {"code": code})
        again = await sign_in(app, "root", totp=confirmed.json()["recovery_codes"][0])
        assert again.json()["must"] == []
        assert (await send(app, "GET", "/v1/accounts", again.json()["token"])).status == 200

    told(story)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"account": "root", "role": "owner"}, 422, "KP-INPUT-04"),
        ({"account": "root", "role": "admin", "tenant": "nowhere"}, 404, "KP-FIND-05"),
        ({"account": "root", "role": "admin", "taxpayers": ["91330106MA2CFLDG4R"]}, 404, "KP-FIND-02"),
        ({"account": "root", "role": "admin", "password": "password1234"}, 422, "KP-ACCESS-10"),
        ({"account": "root", "role": "admin", "password": "rootrootroot root"}, 422, "KP-ACCESS-10"),
        ({"account": "a b", "role": "admin"}, 422, "KP-INPUT-04"),
        ({"account": "wang", "role": "admin"}, 409, "KP-ACCESS-11"),
        ({"account": "ok", "role": "admin"}, 201, None),
    ],
)
def test_a_new_account_is_made_or_refused_with_a_reason(body: dict[str, object], status: int, code: str | None) -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await make(app, "wang")
        answer = await send(app, "POST", "/v1/accounts", token(), body)
        assert answer.status == status, answer.body
        said = answer.json()
        assert said.get("code") == code
        if status == 201:
            assert len(said["initial_password"]) >= 20
            assert said["must_change"] is True
            shown = await send(app, "GET", "/v1/accounts/ok", token("auditor"))
            assert said["initial_password"] not in shown.body.decode()

    told(story)


def test_everything_done_to_access_is_in_the_audit_view_with_who_did_it_and_never_a_secret() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await make(app, "wang")
        await sign_in(app, "wang", "wrong password")
        bearer = await session(app, "wang")
        await post(app, sale(), token=bearer)
        for deed in ("disable", "enable", "unlock"):
            await send(app, "POST", f"/v1/accounts/wang:{deed}", token())
        reset = (await send(app, "POST", "/v1/accounts/wang:reset-password", token(), {})).json()
        found = await audited(app, "?kind=access")
        assert [(e["kind"], e["actor"], e["source"], e["subject_kind"], e["subject"]) for e in found] == [
            ("access.account_made", "test", "127.0.0.1", "account", "wang"),
            ("access.login_refused", None, "127.0.0.1", "account", "wang"),
            ("access.login", "account:wang", "127.0.0.1", "account", "wang"),
            ("access.account_disabled", "test", "127.0.0.1", "account", "wang"),
            ("access.account_enabled", "test", "127.0.0.1", "account", "wang"),
            ("access.unlocked", "test", "127.0.0.1", "account", "wang"),
            ("access.password_reset", "test", "127.0.0.1", "account", "wang"),
        ]
        assert [e["kind"] for e in await audited(app, "?actor=account:wang")] == ["access.login", "issued"]
        assert [e["kind"] for e in await audited(app, f"?taxpayer={SELLER}")] == ["issued"]
        assert [e["subject"] for e in await audited(app, "?about=order")] == ["A-1"]
        whole = json.dumps(await audited(app)) + repr(await p.ledger.events())
        for secret in (PASSWORD, "wrong password", reset["initial_password"], bearer, token()):
            assert secret not in whole

    told(story)


def test_a_page_of_the_audit_view_leads_to_the_next_and_the_span_is_kept() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        begun: datetime = p.clock.now()
        drafts = [
            EventDraft("access.login", begun + timedelta(hours=n), None, None, {"account": f"n{n}"}) for n in range(50)
        ]
        await p.ledger.append_events(drafts)
        stamp = (begun + timedelta(hours=10)).isoformat().replace("+", "%2B")
        until = (begun + timedelta(hours=20)).isoformat().replace("+", "%2B")
        target: str | None = f"/v1/audit/events?made_from={stamp}&made_to={until}&limit=4"
        found: list[str] = []
        while target:
            answer = await call(app, "GET", target, token=token("auditor"))
            found += [event["subject"] for event in answer.json()]
            linked = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("link", ""))
            target = linked[1] if linked else None
        assert found == [f"n{n}" for n in range(10, 20)]

    told(story)


def test_a_page_looks_at_so_many_events_and_then_says_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BATCH", 5)
    monkeypatch.setattr(audit, "MOST_LOOKED_AT", 20)

    async def story(app: FastAPI, p: Point) -> None:
        now = p.clock.now()
        await p.ledger.append_events([EventDraft("issued", now, SELLER, f"o{n}") for n in range(60)])
        await p.ledger.append_events([EventDraft("issued", now, SELLER, "last", {"actor": "erp"})])
        pages, target = 0, "/v1/audit/events?actor=erp"
        while True:
            answer = await call(app, "GET", target, token=token("auditor"))
            pages += 1
            if answer.json():
                break
            target = answer.headers["link"].partition(">")[0].lstrip("<")
        assert [event["subject"] for event in answer.json()] == ["last"]
        assert pages == 4

    told(story)


def test_an_auditor_of_a_tenant_sees_what_happened_to_its_accounts_and_taxpayers_and_no_more() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        TOKENS.tenants = {"north": (SELLER,), "south": ()}
        app.state.people = people_over(app.state.services)
        for name, tenant in (("a", "north"), ("b", "south"), ("root", None)):
            assert (await make(app, name, tenant=tenant)).status == 201
        await post(app, sale())
        bearer = TOKENS.make("north", "auditor", (), timedelta(hours=1), tenant="north")
        found = await audited(app, bearer=bearer)
        assert [(e["kind"], e["subject"]) for e in found] == [("access.account_made", "a@north"), ("issued", "A-1")]
        part = TOKENS.make("part", "auditor", (SELLER,), timedelta(hours=1), tenant="north")
        assert [e["kind"] for e in await audited(app, bearer=part)] == ["issued"], "as it sees no account either"
        streamed = await call(app, "GET", "/v1/events/stream?after=0", token=bearer)
        assert b"issued" in streamed.body
        assert b"account_made" not in streamed.body

    told(story)


def test_accounts_are_listed_by_page_and_say_who_is_locked() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        await asyncio.gather(*(make(app, f"n{number}") for number in range(5)))
        first = (await send(app, "GET", "/v1/accounts?limit=3", token("auditor"))).json()
        rest = (await send(app, "GET", f"/v1/accounts?limit=3&after={first[-1]['account']}", token("auditor"))).json()
        assert [one["account"] for one in first + rest] == [f"n{number}" for number in range(5)]
        for _ in range(3):
            await sign_in(app, "n3", "wrong password")
        listed = (await send(app, "GET", "/v1/accounts", token("auditor"))).json()
        assert [one["account"] for one in listed if one["locked_until"]] == ["n3"]
        assert (await send(app, "POST", "/v1/accounts/n3:disable", token())).json()["locked_until"]
        assert (await send(app, "POST", "/v1/accounts/n3:unlock", token())).json()["locked_until"] is None

    told(story)


def test_what_was_asked_for_says_who_asked_and_what_the_platform_does_by_itself_says_nobody() -> None:
    async def story(app: FastAPI, p: Point) -> None:
        later = {"prefer": "respond-async"}
        erp, shop = (TOKENS.make(name, "issuer", ("*",), timedelta(hours=1)) for name in ("erp", "shop"))
        await post(app, sale("A"), token=erp)
        for order in ("B", "C", "D"):
            await post(app, sale(order), token=erp, headers=later)
        await call(app, "POST", "/v1/invoices:cancel?order=B", token=shop)
        await post(app, sale("C"), token=shop)
        (waiting,) = await p.ledger.find(SELLER, orders=["D"])
        await asyncio.create_task(p.issuer.number(waiting), context=contextvars.Context())
        lines = b"\n".join(json.dumps(sale(order)).encode() for order in ("E", "F"))
        head = {"content-type": "application/x-ndjson"}
        await call(app, "POST", "/v1/invoices:batch", token=shop, body=lines, headers=head)
        found = sorted((e["subject"], e["kind"], e["actor"]) for e in await audited(app, "?about=order"))
        assert found == [
            ("A", "issued", "erp"), ("B", "accepted", "erp"), ("B", "cancelled", "shop"), ("C", "accepted", "erp"),
            ("C", "numbered", "shop"), ("D", "accepted", "erp"), ("D", "numbered", None), ("E", "issued", "shop"),
            ("F", "issued", "shop"),
        ]  # fmt: skip

    told(story)


def test_log_ins_are_counted_by_result_and_never_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def counted(app: FastAPI) -> dict[str, float]:
        page = (await call(app, "GET", "/metrics", token=token("operator"))).body.decode()
        assert "wang" not in page
        found = re.findall(r'^kaipiao_log_ins_total\{result="(\w+)"\} (\S+)$', page, re.MULTILINE)
        return {result: float(count) for result, count in found}

    async def story(app: FastAPI, p: Point) -> None:
        await make(app, "wang")
        assert await counted(app) == {"ok": 0, "refused": 0, "locked": 0, "busy": 0}
        await session(app, "wang")
        for _ in range(4):
            await sign_in(app, "wang", "wrong guess")
        monkeypatch.setattr(passwords, "MOST_WAITING", 0)
        assert (await sign_in(app, "wang")).status == 429
        assert await counted(app) == {"ok": 1, "refused": 3, "locked": 1, "busy": 1}

    told(story)
