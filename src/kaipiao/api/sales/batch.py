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
from kaipiao.api.access import caller_with, let_in, services_of, taxpayers_for
from kaipiao.api.described.examples import ACCEPTED, BATCH_LINES, ISSUED, SALE, lines
from kaipiao.api.described.openapi import REQUEST_ID, problems
from kaipiao.api.described.stated import BATCHES, CALLER, DEFECT, ORDER_TAKEN
from kaipiao.api.described.stated import BODY as NO_BODY
from kaipiao.api.door.admission import Place
from kaipiao.api.door.places import party_of
from kaipiao.api.door.window import Window
from kaipiao.api.envelope import JSON_TYPE
from kaipiao.api.problems import problem
from kaipiao.api.sales.invoices import PARSE_IN_THREAD
from kaipiao.api.sales.later import PREFER, RESPOND_ASYNC, issue_or_accept, patience_of
from kaipiao.api.views import invoice_view, issued_view
from kaipiao.errors import BodyFormRefused, BodyTooSlow, Internal, KaipiaoError, Malformed, TooLarge
from kaipiao.intake.batches import Array, Item, Lines, Splitter, order_of
from kaipiao.intake.requests import parse_request
from kaipiao.invoice.model import Draft
from kaipiao.language import Text, from_accept_language
from kaipiao.ledger.port import InvoiceRecord

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
LET_IN_SECONDS = 1.0  # real time between looks at whether the caller's token and session still hold

SALE_FORM = {"$ref": "#/components/schemas/InvoiceRequest"}
ANYTHING = {"description": "其他任何内容得到它自己的 problem / anything else gets a problem of its own"}
_HEAD: dict[str, object] = {"position": 1, "order": "A-1001", "status": 201, "invoice": ISSUED}
_CONFLICT: dict[str, object] = {"position": 2, "order": "A-1002", "status": 409}
ANSWERS = {
    "issued": {
        "summary": "一笔已开，一笔有误 / one issued, one refused",
        "value": lines(_HEAD, {**_CONFLICT, "problem": problem(ORDER_TAKEN[0], "zh", REQUEST_ID)}),
    },
    "accepted": {
        "summary": "Prefer: respond-async",
        "value": lines({"position": 1, "order": "A-1001", "status": 202, "accepted": ACCEPTED}),
    },
}
BODY = {
    "parameters": [PREFER],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": {"anyOf": [SALE_FORM, ANYTHING]}},
                "example": [SALE, {**SALE, "order": "A-1002"}],
            },
            # Without `example`: programs that try examples out cannot write this type (tests/fuzz_api.py).
            NDJSON: {
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "description": f"每行一笔 / a sale per line:\n\n```\n{BATCH_LINES}```",
                }
            },
        },
    },
}


@router.post(
    "/v1/invoices:batch",
    response_class=Response,
    responses={
        200: {
            "description": "每笔一行 / a line per item",
            "content": {NDJSON: {"schema": {"type": "string"}, "examples": ANSWERS}},
        },
        **problems(*CALLER, *NO_BODY, *BATCHES, *DEFECT),
    },
    openapi_extra=BODY,
    summary="批量开具，逐笔应答 / Issue many, an answer per item",
)
async def batch(request: Request, caller: Issuing) -> Response:
    """NDJSON or a JSON array. Cut off? Send the same batch again: every order that was issued gets the same answer."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MOST_BYTES:
        raise _over_bytes()
    pieces = _pieces(request)
    first = await _something(pieces)
    splitter = _splitter(request)
    begun = first.lstrip(b" \t\r\n")
    if isinstance(splitter, Array) and begun and not begun.startswith(b"["):
        raise Malformed(Text("请求体须为 JSON 数组", "The body must be a JSON array"))
    return _Answers(request, caller, splitter, _again(first, pieces))


async def _something(pieces: AsyncGenerator[bytes]) -> bytes:
    """The first piece of a body. Raises `Malformed` when there is none: what was to be issued was lost on its way."""
    try:
        async for piece in pieces:
            if piece:
                return piece
    except ClientDisconnect as gone:
        raise Malformed(Text("请求体不完整", "The body is incomplete")) from gone
    raise Malformed(Text("没有请求体", "There is no body"))


async def _again(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async with aclosing(rest):
        async for piece in rest:
            yield piece


async def _pieces(request: Request) -> AsyncGenerator[bytes]:
    """The body as it comes; an empty piece is its end. Raises `BodyTooSlow`."""
    pace, now = services_of(request).body_pace, asyncio.get_running_loop().time
    stream = aiter(request.stream())
    waited, received = 0.0, 0
    while True:
        began = now()
        try:
            async with asyncio.timeout(min(pace.seconds, pace.earned(received) - waited)):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as slow:
            raise BodyTooSlow from slow
        waited += now() - began
        received += len(piece)
        yield piece


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

    def __init__(self, request: Request, caller: Caller, splitter: Splitter, pieces: AsyncGenerator[bytes]) -> None:
        super().__init__(media_type=NDJSON)
        del self.headers["content-length"]
        self._request = request
        self._services = services_of(request)
        self._caller = caller
        self._party = party_of(caller, self._services.tenants)
        self._splitter = splitter
        self._pieces = pieces
        self._patience = patience_of(request)
        if self._patience is not None:
            self.headers["Preference-Applied"] = RESPOND_ASYNC
        self._window = Window(AT_ONCE, BYTES_AT_ONCE)
        self._let_in_until = _now() + LET_IN_SECONDS
        self._answers: asyncio.Queue[tuple[Awaitable[bytes], int] | None] = asyncio.Queue()
        self._language = from_accept_language(request.headers.get("accept-language"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `Overloaded` before anything is answered."""
        with self._services.admission.batch(self._party):
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
        """Each item counts as a request; over the rate they are read more slowly. Raises `AccessRefused` when what let the
        caller in is over: the batch breaks off there."""
        while (seconds := self._services.rates.take(self._caller.counted_as)) > 0.0:
            await asyncio.sleep(seconds)
        if _now() >= self._let_in_until:
            await let_in(self._request)
            self._let_in_until = _now() + LET_IN_SECONDS

    async def _items(self) -> AsyncGenerator[Item]:
        """Raises `KaipiaoError` where the batch breaks off."""
        count = received = 0
        async with aclosing(self._pieces) as pieces:
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

    async def _issue(self, item: Item) -> bytes:
        place = self._services.admission.item(self._party)
        try:
            await place.turn()
            return await self._answer(item, place)
        finally:
            place.leave()

    async def _answer(self, item: Item, place: Place) -> bytes:
        order: str | None = None
        try:
            draft = await self._parsed(item.raw)
            order = draft.order
            taxpayers_for(self._caller, self._services, draft.seller_tax_number)
            found = await issue_or_accept(self._services.issuer, draft, self._patience, place)
        except KaipiaoError as error:
            return self._problem(item.position, order or order_of(item.raw), error)
        except Exception as defect:  # a defect of ours, met by one item, harms no other
            log.error("defect", exc_info=defect, extra={"request_id": self._request_id()})
            return self._problem(item.position, order, Internal())
        told: dict[str, object] = {"position": item.position, "order": draft.order}
        if isinstance(found, InvoiceRecord):
            return _line({**told, "status": 202, "accepted": invoice_view(found).model_dump()})
        return _line({**told, "status": 200 if found.replayed else 201, "invoice": issued_view(found).model_dump()})

    async def _parsed(self, raw: bytes) -> Draft:
        return await asyncio.to_thread(parse_request, raw) if len(raw) > PARSE_IN_THREAD else parse_request(raw)

    async def _broken_off(self, error: KaipiaoError) -> bytes:
        return self._problem(self._splitter.position, None, error)

    def _problem(self, position: int, order: str | None, error: KaipiaoError) -> bytes:
        stated = problem(error, self._language, self._request_id())
        return _line({"position": position, "order": order, "status": error.status, "problem": stated})

    def _request_id(self) -> str:
        return str(self._request.scope.get("kaipiao.request_id", ""))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _line(answer: dict[str, object]) -> bytes:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _over_bytes() -> TooLarge:
    return TooLarge(Text(f"一批超过 {MOST_BYTES} 字节", f"A batch is over {MOST_BYTES} bytes"), limit=MOST_BYTES)
