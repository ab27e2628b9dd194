"""Lists that may be read from a copy of the ledger when the node is under too much load, and how an answer says so."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from kaipiao.access.tokens import Caller
from kaipiao.api.access import services_of
from kaipiao.ledger.lists import ListBooks

T = TypeVar("T")
HEADER = "Kaipiao-Stale"
STALE = {
    HEADER: {
        "description": "由副本应答时：至多缺最近这么多毫秒的内容。Cache-Control: no-cache 的请求总由主库应答"
        " / from a replica: it may miss the last so many milliseconds. A request with Cache-Control: no-cache is answered"
        " by the primary",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "740",
    }
}


async def listed(
    request: Request, caller: Caller, work: Callable[[ListBooks], Awaitable[T]]
) -> tuple[T, dict[str, str]]:
    """What `work` reads, all of it from one place, and the headers that say from where. `work` may be done twice."""
    fresh = "no-cache" in request.headers.get("cache-control", "").lower()
    found = await services_of(request).stale_reads.read(work, caller.subject, fresh=fresh)
    behind = {} if found.behind is None else {HEADER: str(math.ceil(found.behind * 1000))}
    return found.value, behind
