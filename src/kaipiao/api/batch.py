"""POST /v1/invoices:batch: many sales in one request, streamed both ways. An answer or a problem per item, in their order.

Items are issued side by side, so that the ledger commits many at once. What is read and not answered yet is bounded by
count and bytes: when answers are not taken, reading stops, and with it the caller's sending.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.envelope import BODY_SECONDS, JSON_TYPE
from kaipiao.api.examples import BATCH_ANSWERS, BATCH_LINES, SALE
from kaipiao.api.invoices import PARSE_IN_THREAD
from kaipiao.api.openapi import problems
from kaipiao.api.problems import problem
from kaipiao.api.views import issued_view
from kaipiao.api.window import Window
from kaipiao.errors import BodyFormRefused, BodyTooSlow, Internal, KaipiaoError, TooLarge
from kaipiao.intake.batches import Array, Item, Lines, Splitter, order_of
from kaipiao.intake.requests import parse_request
from kaipiao.invoice.model import Draft
from kaipiao.language import Text, from_accept_language

log = logging.getLogger(__name__)
router = APIRouter(tags=["invoices"])
Issuing = Annotated[Caller, Depends(caller_with(Permission.ISSUE))]
NDJSON = "application/x-ndjson"
LINES_TYPES = frozenset({NDJSON, "application/ndjson", "application/jsonl", "application/jsonlines"})
MOST_ITEMS = 10_000
MOST_BYTES = 64 * 1024 * 1024
AT_ONCE = 64  # items that are read and not answered yet
BYTES_AT_ONCE = 4 * 1024 * 1024  # of these; one larger item goes alone
ANSWER_SECONDS = 60.0  # real time that a caller may leave answers unread

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            NDJSON: {"schema": {"type": "string"}, "example": BATCH_LINES},
            "application/json": {
                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/InvoiceRequest"}},
                "example": [SALE],
            },
        },
    }
}


@router.post(
    "/v1/invoices:batch",
    response_class=Response,
    responses={
        200: {
            "description": "每笔一行 / a line per item",
            "content": {NDJSON: {"schema": {"type": "string"}, "example": BATCH_ANSWERS}},
        },
        **problems(400, 401, 403, 413, 415, 503),
    },
    openapi_extra=BODY,
    summary="批量开具，逐笔应答 / Issue many, an answer per item",
)
async def batch(request: Request, caller: Issuing) -> Response:
    """NDJSON or a JSON array. Cut off? Send the same batch again: every order that was issued gets the same answer."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MOST_BYTES:
        raise _over_bytes()
    return _Answers(request, caller, _splitter(request))


def _splitter(request: Request) -> Splitter:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise BodyFormRefused(Text("不接受压缩的请求体", "A compressed body is not accepted"))
    form = request.headers.get("content-type", NDJSON).strip()
    limit = services_of(request).body_limit
    if form.partition(";")[0].strip().lower() in LINES_TYPES:
        return Lines(limit)
    if JSON_TYPE.fullmatch(form):
        return Array(limit)
    raise BodyFormRefused(Text(f"批量请求体须为 {NDJSON} 或 JSON 数组", f"A batch is {NDJSON} or a JSON array"))


class _Answers(Response):
    """Reads, issues and answers at the same time. A caller who leaves is not waited for, but what was begun is ended."""

    media_type = NDJSON

    def __init__(self, request: Request, caller: Caller, splitter: Splitter) -> None:
        super().__init__(media_type=NDJSON)
        del self.headers["content-length"]
        self._request = request
        self._services = services_of(request)
        self._caller = caller
        self._splitter = splitter
        self._window = Window(AT_ONCE, BYTES_AT_ONCE)
        self._answers: asyncio.Queue[tuple[Awaitable[bytes], int] | None] = asyncio.Queue()
        self._language = from_accept_language(request.headers.get("accept-language"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(self._read(group))
            taken = await self._write(send)
            if not taken:
                reader.cancel()
        if taken:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> bool:
        """False when the answers were left unread: without its last piece, the server closes the connection."""
        while (pending := await self._answers.get()) is not None:
            answer, size = pending
            line = await answer
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await send({"type": "http.response.body", "body": line, "more_body": True})
            except TimeoutError:
                log.warning("answers of a batch were not read", extra={"subject": self._caller.subject})
                return False
            self._window.leave(size)
        return True

    async def _read(self, group: asyncio.TaskGroup) -> None:
        try:
            async with aclosing(self._items()) as items:
                async for item in items:
                    await self._pace()
                    await self._window.enter(len(item.raw))  # and leave when the answer was taken
                    self._answers.put_nowait((group.create_task(self._issue(item)), len(item.raw)))
        except ClientDisconnect:
            log.info("a batch was cut off", extra={"subject": self._caller.subject})
        except KaipiaoError as broken:
            await self._window.enter(0)
            self._answers.put_nowait((group.create_task(self._broken_off(broken)), 0))
        self._answers.put_nowait(None)

    async def _pace(self) -> None:
        """Each item counts as a request; over the rate they are read more slowly."""
        while (seconds := self._services.rates.take(self._caller.subject)) > 0.0:
            await asyncio.sleep(seconds)

    async def _items(self) -> AsyncGenerator[Item]:
        """Raises `KaipiaoError` where the batch breaks off."""
        count = received = 0
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                received += len(piece)
                if received > MOST_BYTES:
                    raise _over_bytes()
                for item in self._splitter.feed(piece) if piece else self._splitter.end():
                    count += 1
                    if count > MOST_ITEMS:
                        raise TooLarge(
                            Text(f"一批超过 {MOST_ITEMS} 笔", f"A batch is over {MOST_ITEMS} items"), limit=MOST_ITEMS
                        )
                    yield item

    async def _pieces(self) -> AsyncGenerator[bytes]:
        """The body as it comes; an empty piece is its end."""
        stream = aiter(self._request.stream())
        while True:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    piece = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError as slow:
                raise BodyTooSlow from slow
            yield piece

    async def _issue(self, item: Item) -> bytes:
        order: str | None = None
        try:
            draft = await self._parsed(item.raw)
            order = draft.order
            taxpayers_for(self._caller, self._services, draft.seller_tax_number)
            issued = await self._services.issuer.issue(draft)
        except KaipiaoError as error:
            return self._problem(item.position, order or order_of(item.raw), error)
        except Exception as defect:  # a defect of ours, met by one item, harms no other
            log.error("defect", exc_info=defect, extra={"request_id": self._request_id()})
            return self._problem(item.position, order, Internal())
        status = 200 if issued.replayed else 201
        view = issued_view(issued).model_dump()
        return _line({"position": item.position, "order": draft.order, "status": status, "invoice": view})

    async def _parsed(self, raw: bytes) -> Draft:
        return await asyncio.to_thread(parse_request, raw) if len(raw) > PARSE_IN_THREAD else parse_request(raw)

    async def _broken_off(self, error: KaipiaoError) -> bytes:
        return self._problem(self._splitter.position, None, error)

    def _problem(self, position: int, order: str | None, error: KaipiaoError) -> bytes:
        stated = problem(error, self._language, self._request_id())
        return _line({"position": position, "order": order, "status": error.status, "problem": stated})

    def _request_id(self) -> str:
        return str(self._request.scope.get("kaipiao.request_id", ""))


def _line(answer: dict[str, object]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _over_bytes() -> TooLarge:
    return TooLarge(Text(f"一批超过 {MOST_BYTES} 字节", f"A batch is over {MOST_BYTES} bytes"), limit=MOST_BYTES)
