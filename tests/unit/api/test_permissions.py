"""Every route and what it needs, as a table; every role at every route."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.requests import Request

sys.path.insert(0, str(Path(__file__).parent))

from api_stand import token, told
from asgi import call

from kaipiao.access.tokens import ROLES, Permission
from kaipiao.api.access import NEEDS, needed_by
from kaipiao.api.app import routes
from kaipiao.errors import PermissionMissing

ISSUE, READ, OPERATE, AUDIT = Permission.ISSUE, Permission.READ, Permission.OPERATE, Permission.AUDIT
ALARMS = Permission.ALARMS
STEER = Permission.STEER
MONTHS = Permission.MONTHS
SEE, MANAGE, OWN = Permission.SEE_ACCOUNTS, Permission.MANAGE_ACCOUNTS, Permission.OWN
TABLE: dict[str, Permission | None] = {
    "POST /v1/invoices": ISSUE,
    "POST /v1/invoices:batch": ISSUE,
    "POST /v1/invoices:cancel": ISSUE,
    "POST /v1/invoices:check": ISSUE,
    "GET /v1/invoices": READ,
    "GET /v1/invoices/{number}": READ,
    "GET /v1/invoices/{number}/document": READ,
    "GET /v1/invoices/{number}/seal": READ,
    "GET /v1/invoices/{number}/events": READ,
    "GET /v1/status": OPERATE,
    "GET /v1/taxpayers": OPERATE,
    "GET /v1/taxpayers/{taxpayer}/numbers": OPERATE,
    "GET /v1/taxpayers/{taxpayer}/quota": OPERATE,
    "GET /v1/taxpayers/{taxpayer}/cover": OPERATE,
    "GET /v1/clock": OPERATE,
    "GET /v1/dependencies": OPERATE,
    "GET /v1/degradation": OPERATE,
    "POST /v1/degradation": STEER,
    "GET /metrics": OPERATE,
    "GET /v1/reconciliations": OPERATE,
    "POST /v1/reconciliations": MONTHS,
    "GET /v1/months/{month}": OPERATE,
    "GET /v1/months/{month}/findings": OPERATE,
    "POST /v1/months/{month}:confirm": MONTHS,
    "POST /v1/months/{month}:unconfirm": MONTHS,
    "GET /v1/outages": OPERATE,
    "GET /v1/outages/{outage}": OPERATE,
    "GET /v1/outages/{outage}/report": OPERATE,
    "GET /v1/events": AUDIT,
    "GET /v1/events/stream": AUDIT,
    "GET /v1/audit": AUDIT,
    "GET /v1/books": AUDIT,
    "GET /v1/audit/events": AUDIT,
    "GET /v1/alarms": OPERATE,
    "GET /v1/alarms/{alarm}": OPERATE,
    "POST /v1/alarms/{alarm}:acknowledge": ALARMS,
    "GET /v1/silences": OPERATE,
    "POST /v1/silences": ALARMS,
    "DELETE /v1/silences/{silence}": ALARMS,
    "POST /v1/alarm-channels/{channel}:test": ALARMS,
    "POST /v1/sessions": None,
    "DELETE /v1/sessions/current": OWN,
    "GET /v1/account": OWN,
    "POST /v1/account/password": OWN,
    "POST /v1/account/totp": OWN,
    "POST /v1/account/totp:confirm": OWN,
    "GET /v1/tenants": SEE,
    "GET /v1/accounts": SEE,
    "GET /v1/accounts/{account}": SEE,
    "POST /v1/accounts": MANAGE,
    "POST /v1/accounts/{account}:role": MANAGE,
    "POST /v1/accounts/{account}:disable": MANAGE,
    "POST /v1/accounts/{account}:enable": MANAGE,
    "POST /v1/accounts/{account}:unlock": MANAGE,
    "POST /v1/accounts/{account}:reset-password": MANAGE,
    "POST /v1/accounts/{account}:reset-totp": MANAGE,
    "GET /healthz": None,
    "GET /readyz": None,
}
MAY = {
    "issuer": {ISSUE, READ},
    "operator": {MONTHS, READ, OPERATE, STEER, ALARMS},
    "auditor": {READ, AUDIT, SEE},
    "admin": {
        MONTHS,
        ISSUE,
        READ,
        OPERATE,
        STEER,
        ALARMS,
        AUDIT,
        SEE,
        MANAGE,
    },  # not OWN: that takes a person who signed in
}
# The repair toolbox; a successor is issued, so that takes whoever may issue.
REPAIR = Permission.REPAIR
STEER = Permission.STEER
TABLE.update(
    {
        "GET /v1/mode": OPERATE,
        "POST /v1/mode": STEER,
        "GET /v1/announcements": OPERATE,
        "POST /v1/announcements": STEER,
        "DELETE /v1/announcements/{announcement}": STEER,
    }
)
TABLE |= {
    "POST /v1/invoices:replace": ISSUE,
    "GET /v1/repairs": OPERATE,
    "GET /v1/repairs/{number}": REPAIR,
    "POST /v1/repairs": REPAIR,
}
for _role in ("operator", "admin"):
    MAY[_role] |= {REPAIR, STEER}
GUARDED = [(line, need) for line, need in TABLE.items() if need is not None]


def declared() -> dict[str, set[Permission]]:
    found = [route for route in routes() if isinstance(route, APIRoute)]
    assert len(found) == len(list(routes()))
    return {f"{method} {route.path}": needed_by(route) for route in found for method in route.methods or ()}


def test_every_route_declares_exactly_what_the_table_says() -> None:
    assert declared() == {line: set() if need is None else {need} for line, need in TABLE.items()}


def test_the_roles_are_four_and_hold_what_they_need_and_no_more() -> None:
    assert MAY == ROLES
    assert len(Permission) <= 15


@pytest.mark.parametrize("role", MAY)
def test_a_role_is_refused_at_every_route_that_is_not_its_own_and_nobody_comes_in_without_a_token(role: str) -> None:
    async def story(app: object, p: object) -> None:
        for line, need in GUARDED:
            method, _, path = line.partition(" ")
            target = path.format(
                number="26442000000000000001",
                taxpayer="91440300MA5EXMPL17",
                account="wang",
                alarm="7",
                silence="7",
                channel="mail",
                outage="7",
                month="2026-11",
                announcement="7",
            )
            if need not in MAY[role]:
                answer = await call(app, method, target, token=token(role))  # type: ignore[arg-type]
                assert (answer.status, answer.json()["code"]) == (403, "KP-ACCESS-03"), line

    told(story)


def test_without_a_token_no_route_but_the_open_ones_answers() -> None:
    async def story(app: object, p: object) -> None:
        app.state.services.refusals.seconds_to_hold = lambda source: 0.0  # type: ignore[attr-defined]
        for line, need in TABLE.items():
            method, _, path = line.partition(" ")
            target = path.format(
                number="26442000000000000001",
                taxpayer="91440300MA5EXMPL17",
                account="wang",
                alarm="7",
                silence="7",
                channel="mail",
                outage="7",
                month="2026-11",
                announcement="7",
            )
            answer = await call(app, method, target)  # type: ignore[arg-type]
            assert (answer.status == 401) == (need is not None), line

    told(story)


@pytest.mark.parametrize("role", MAY)
def test_a_role_passes_where_it_may(role: str) -> None:
    async def story(app: object, p: object) -> None:
        for guard, need in NEEDS.items():
            headers = [(b"authorization", f"Bearer {token(role)}".encode())]
            scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers, "app": app}
            try:
                await guard(Request(scope))  # type: ignore[misc]
                passed = True
            except PermissionMissing:
                passed = False
            assert passed == (need in MAY[role])

    told(story)


def test_bad_tokens_are_slowed_counted_and_never_keep_a_sound_one_waiting() -> None:
    async def story(app: object, p: object) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(4):
            assert (await call(app, "GET", "/v1/status", token="bad")).status == 401  # type: ignore[arg-type]
        assert loop.time() - began >= 0.25
        began = loop.time()
        page = await call(app, "GET", "/metrics", token=token("operator"))  # type: ignore[arg-type]
        assert loop.time() - began < 0.2
        assert b'kaipiao_token_refusals_total{code="KP-ACCESS-01"} 4.0' in page.body

    told(story)
