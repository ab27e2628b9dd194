"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that is sent again is not done again.

For POSTs that are not about a sale; a sale has its order key, which never expires. What is kept is the answer of a request
that succeeded, for `server.idempotency_hours`. One that was refused has done nothing: its key stays free.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from kaipiao.access.tokens import ANY, Caller
from kaipiao.api.access import services_of
from kaipiao.api.envelope import any_body_of
from kaipiao.api.services import Services
from kaipiao.errors import IdempotencyKeyReused, Malformed, RequestUnderWay
from kaipiao.language import Text
from kaipiao.ledger.requests import Found, KeptAnswer, KeyedRequest
from kaipiao.seal.digest import sm3

NAME = "idempotency-key"
LONGEST = 255
JSON = "application/json"
_VISIBLE = re.compile(r"[!-~]+")
ABANDONED = timedelta(seconds=60)  # no request takes so long: the node that had it is gone
REPLAYED: dict[str, object] = {
    "Kaipiao-Replayed": {
        "description": "同一 Idempotency-Key 再发时 / when it was sent again with the same Idempotency-Key",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    }
}
PARAMETER: dict[str, object] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "您为这次请求取的键：再发一次得到同一答案 / your key of this request: sent again, it gets the same answer",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": f"^{_VISIBLE.pattern}$"},
    "example": "9f0c2a6e-1d1b-4b86-9a52-6f0a2f5f8d11",
}


async def once(
    request: Request,
    caller: Caller,
    work: Callable[[], Awaitable[BaseModel]],
    status: int = 200,
    body: Callable[[], bytes] | None = None,
) -> Response:
    """The answer to a request whose caller was judged already. `body`: what stands for one that was read already; it is kept
    as a digest only. The answer is kept as it is: it must hold no secret. Raises `IdempotencyKeyReused`, `RequestUnderWay`, `Malformed`,
    and whatever the work raises."""
    key = key_of(request)
    if key is None:
        return _response(KeptAnswer(status, JSON, _written(await work())))
    services = services_of(request)
    keyed = KeyedRequest(_owner(caller), key, await _digest(request, body))
    earlier = await _begin(services, keyed)
    if earlier is not None:
        return _response(earlier, replayed=True)
    return _response(await _done(services, keyed, work, status))


async def _begin(services: Services, keyed: KeyedRequest) -> KeptAnswer | None:
    now = datetime.now(UTC)
    found = await services.ledger.begin_request(keyed, now, now + services.keep_answers, now - ABANDONED)
    if found.found is Found.OTHER:
        raise IdempotencyKeyReused()
    if found.found is Found.UNDER_WAY:
        raise RequestUnderWay(retry_after=1)
    return found.answer


async def _done(
    services: Services, keyed: KeyedRequest, work: Callable[[], Awaitable[BaseModel]], status: int
) -> KeptAnswer:
    """Shielded where it is written down: a caller who leaves must not leave its key under way."""
    try:
        answer = KeptAnswer(status, JSON, _written(await work()))
    except BaseException:
        await asyncio.shield(services.ledger.end_request(keyed, None))
        raise
    await asyncio.shield(services.ledger.end_request(keyed, answer))
    return answer


def key_of(request: Request) -> str | None:
    """The key of this request, if it has one. Raises `Malformed`."""
    given = request.headers.getlist(NAME)
    if not given:
        return None
    key = given[0]
    if len(given) > 1 or len(key) > LONGEST or not _VISIBLE.fullmatch(key):
        raise Malformed(
            Text(
                f"Idempotency-Key 须为 1–{LONGEST} 个可见的 ASCII 字符",
                f"Idempotency-Key is 1 to {LONGEST} visible characters of ASCII",
            ),
            fields=[f"header.{NAME}"],
        )
    return key


def _owner(caller: Caller) -> str:
    """Whose keys these are: of a subject with this reach. A token that may do less gets no answer of one that could do more,
    and a program of another tenant that has the same subject neither uses up nor finds out its keys."""
    if ANY in caller.taxpayers:
        return caller.subject
    reach = json.dumps([caller.tenant, caller.whole_tenant, sorted(caller.taxpayers)]).encode()
    return f"{caller.subject} {sm3(reach).hex()[:32]}"


async def _digest(request: Request, body: Callable[[], bytes] | None) -> bytes:
    """Of everything that is asked."""
    content = await any_body_of(request, services_of(request).body_limit) if body is None else body()
    asked = [request.method, request.url.path, sorted(request.query_params.multi_items())]
    return sm3(json.dumps(asked, ensure_ascii=True).encode() + b"\n" + content)


def _written(view: BaseModel) -> bytes:
    return view.model_dump_json().encode()


def _response(answer: KeptAnswer, *, replayed: bool = False) -> Response:
    return Response(answer.body, answer.status, {"Kaipiao-Replayed": "true"} if replayed else None, answer.media)
