"""People on an application under test: made, signed in, and every route about them called once."""

from __future__ import annotations

import json
from typing import Any

from api_stand import token
from asgi import Answer, call
from people import PASSWORD, code_at, secret_in
from starlette.types import ASGIApp

from kaipiao.clock import SystemClock


async def send(app: ASGIApp, method: str, target: str, bearer: str | None, body: object = None) -> Answer:
    raw = b"" if body is None else json.dumps(body).encode()
    return await call(app, method, target, token=bearer, body=raw)


async def make(
    app: ASGIApp, name: str, role: str = "issuer", *, bearer: str | None = None, **further: object
) -> Answer:
    body = {"account": name, "role": role, "password": PASSWORD, "must_change": False, **further}
    return await send(app, "POST", "/v1/accounts", bearer or token(), body)


async def sign_in(app: ASGIApp, name: str, password: str = PASSWORD, **further: Any) -> Answer:
    return await send(app, "POST", "/v1/sessions", None, {"account": name, "password": password, **further})


async def session(app: ASGIApp, name: str) -> str:
    answer = await sign_in(app, name)
    assert answer.status == 201, answer.body
    return str(answer.json()["token"])


async def answers(app: ASGIApp) -> dict[str, Answer]:
    """By `STATUS METHOD PATH`, as the description names them."""
    admin = token()
    found = {"201 POST /v1/accounts": await make(app, "wang"), "201 POST /v1/sessions": await sign_in(app, "wang")}
    own = found["201 POST /v1/sessions"].json()["token"]
    found["200 GET /v1/account"] = await send(app, "GET", "/v1/account", own)
    begun = await send(app, "POST", "/v1/account/totp", own, {"password": PASSWORD})
    found["200 POST /v1/account/totp"] = begun
    code = code_at(secret_in(begun.json()["uri"]), SystemClock().now().timestamp())
    found["200 POST /v1/account/totp:confirm"] = await send(
        app, "POST", "/v1/account/totp:confirm", own, {"code": code}
    )
    for deed in ("unlock", "disable", "enable", "reset-totp"):
        found[f"200 POST /v1/accounts/{{account}}:{deed}"] = await send(app, "POST", f"/v1/accounts/wang:{deed}", admin)
    for deed, body in (("role", {"role": "auditor"}), ("reset-password", {})):
        answer = await send(app, "POST", f"/v1/accounts/wang:{deed}", admin, body)
        found[f"200 POST /v1/accounts/{{account}}:{deed}"] = answer
    found["200 GET /v1/accounts/{account}"] = await send(app, "GET", "/v1/accounts/wang", admin)
    return found
