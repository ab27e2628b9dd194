"""GET /v1/events/stream: the trail as server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kaipiao.access.tokens import ANY, Caller, Permission
from kaipiao.api.access import caller_with, let_in, services_of, taxpayers_for
from kaipiao.api.described.examples import STREAM
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import CALLER, LISTENERS, READING, TAXPAYER_UNKNOWN
from kaipiao.api.feed import Feed, Wanted
from kaipiao.api.pages import LARGEST_POSITION
from kaipiao.api.views import event_view
from kaipiao.errors import KaipiaoError, Malformed
from kaipiao.language import Text
from kaipiao.ledger.port import Event

log = logging.getLogger(__name__)
router = APIRouter(tags=["platform"])
Auditing = Annotated[Caller, Depends(caller_with(Permission.AUDIT))]
MEDIA_TYPE = "text/event-stream"
RETRY = b"retry: 2000\n"  # milliseconds until a client connects again
HEARTBEAT = b": \n\n"
HEARTBEAT_SECONDS = 10.0
GLANCE_SECONDS = 0.3  # so long nothing new: who did not ask for a stream has it all
READ_SECONDS = 60.0  # real time that a listener may leave events unread
LET_IN_SECONDS = 1.0  # real time between looks at whether the listener's token and session still hold
# Of the text as a whole, or of each of its events, as the reader takes it: JSON Schema has no word for such a stream.
EVENT_SCHEMA: dict[str, object] = {
    "type": ["string", "object"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "description": "EventView"},
        "retry": {"type": ["string", "integer"]},
    },
}
PARAMETER = {
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": "^[0-9]{1,19}$"},
            "example": "4710",
            "description": "从这个 id 之后接着 / go on after this id",
        }
    ]
}


@router.get(
    "/v1/events/stream",
    response_class=Response,
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": EVENT_SCHEMA, "example": STREAM}}},
        **problems(*CALLER, *TAXPAYER_UNKNOWN, *LISTENERS, *READING),
    },
    openapi_extra=PARAMETER,
    summary="事件流（SSE）/ Events as they happen",
)
async def stream(
    request: Request,
    caller: Auditing,
    taxpayer: Annotated[
        str | None,
        Query(min_length=1, max_length=20, description="只看这个纳税人 / only its", examples=["91110000MAKP00001M"]),
    ] = None,
    order: Annotated[
        str | None,
        Query(min_length=1, max_length=128, description="只看这个订单 / only this order", examples=["A-1001"]),
    ] = None,
    after: Annotated[
        int | None, Query(ge=0, le=LARGEST_POSITION, description="缺省从现在起 / default: from now", examples=[0])
    ] = None,
) -> Response:
    """`id` is the event's position. A client that connects again with `Last-Event-ID` misses nothing and gets none twice.

    It stays open for whoever asks for `Accept: text/event-stream` (a browser's EventSource does); anybody else gets what
    is there, and its end. It ends when the token expires or is revoked, or the session is over."""
    services = services_of(request)
    mine = taxpayers_for(caller, services, taxpayer)
    wanted = Wanted(mine, platform=taxpayer is None and caller.may_act_for(ANY), order=order)
    feed: Feed = request.app.state.feed
    stays = MEDIA_TYPE in request.headers.get("accept", "")
    head = bool(request.scope.get("kaipiao.head"))
    party = None if caller.may_act_for(ANY) else caller.tenant or caller.taxpayers
    place, still = _last_seen(request, after), lambda: let_in(request)
    return _Stream(feed, wanted, place, still, party=party, once=head, stays=stays)


def _last_seen(request: Request, after: int | None) -> int | None:
    """The header counts more than the parameter: a browser repeats the first address."""
    given = request.headers.get("last-event-id")
    if given is None:
        return after
    if given.isascii() and given.isdigit() and int(given[:20]) <= LARGEST_POSITION and len(given) <= 19:
        return int(given)
    raise Malformed(
        Text("Last-Event-ID 须为事件的 id", "Last-Event-ID is the id of an event"), fields=["header.last-event-id"]
    )


class _Stream(Response):
    media_type = MEDIA_TYPE

    def __init__(
        self,
        feed: Feed,
        wanted: Wanted,
        after: int | None,
        let_in: Callable[[], Awaitable[object]],
        *,
        party: Hashable,
        once: bool,
        stays: bool,
    ) -> None:
        """`let_in` raises when the listener may not listen any more. `party`: whose share of the places it takes."""
        super().__init__(media_type=MEDIA_TYPE)
        del self.headers["content-length"]
        self._feed = feed
        self._wanted = wanted
        self._after = after
        self._let_in = let_in
        self._party = party
        self._once = once  # a HEAD: the head is all
        self._stays = stays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._feed.place(self._party):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if not self._once:
                async with asyncio.TaskGroup() as group:
                    work = (_until_gone(receive), self._until_kept_out(), self._tell(send))
                    tasks = [group.create_task(one) for one in work]
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in tasks:
                        task.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_kept_out(self) -> None:
        """A stream does not outlive what let its listener in."""
        try:
            while True:
                await asyncio.sleep(LET_IN_SECONDS)
                await self._let_in()
        except KaipiaoError as error:  # it connects again, and is told why not
            log.info("a listener is let go", extra={"code": error.code})

    async def _tell(self, send: Send) -> None:
        try:
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    async with asyncio.timeout(READ_SECONDS):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            log.info("a listener does not read")
        except KaipiaoError as error:  # it connects again and goes on where it was
            log.warning("events not told", extra={"code": error.code})

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        place = await self._feed.begin(self._after)
        yield RETRY + b"id: %d\n\n" % place  # lost before the first event, a listener goes on from here
        patience = HEARTBEAT_SECONDS if self._stays else GLANCE_SECONDS
        async with aclosing(self._feed.listen(self._wanted, place, patience)) as pages:
            async for page in pages:
                if not page and not self._stays:
                    return
                yield b"".join(map(_told, page)) or HEARTBEAT


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def _told(event: Event) -> bytes:
    data = json.dumps(event_view(event).model_dump(), ensure_ascii=False)
    return f"id: {event.position}\nevent: {event.kind}\ndata: {data}\n\n".encode()
