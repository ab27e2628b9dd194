"""Health, status, cover, events, audit and books: the platform seen from outside."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.responses import JSONResponse, StreamingResponse

from kaipiao import __version__
from kaipiao.access.tokens import ANY, Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import AUDIT, BOOKS, EVENTS, HEALTHY, METRICS, NOT_READY, READY, STATUS, example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import CALLER, READING
from kaipiao.api.door.figures import standing
from kaipiao.api.lists import STALE, listed
from kaipiao.api.pages import AfterPosition, Limit
from kaipiao.api.views import AuditView, EventView, ReadinessView, StatusView, audit_view, event_view, invoice_view
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.lists import ListBooks
from kaipiao.ledger.port import Event, InvoiceRecord
from kaipiao.operations.scrape import OPENMETRICS

router = APIRouter(tags=["platform"])
PROBLEMS = problems(*CALLER, *READING)
BOOKS_PAGE = 500  # invoices read at a time
OPEN: dict[str, object] = {"security": []}
Operating = Annotated[Caller, Depends(caller_with(Permission.OPERATE))]
Auditing = Annotated[Caller, Depends(caller_with(Permission.AUDIT))]


@router.get(
    "/healthz",
    openapi_extra=OPEN,
    responses={200: {"content": example(HEALTHY)}, **problems()},
    summary="进程是否存活 / Is the process alive?",
)
async def healthz() -> dict[str, str]:
    return {"status": "ok", "version": __version__}


@router.get(
    "/readyz",
    openapi_extra=OPEN,
    response_model=ReadinessView,
    responses={
        200: {"content": example(READY)},
        503: {"model": ReadinessView, "description": "尚不能开票 / not ready", "content": example(NOT_READY)},
        **problems(),
    },
    summary="能否开票 / Can it issue?",
)
async def readyz(request: Request) -> JSONResponse:
    readiness = await services_of(request).readiness()
    ready = not readiness.reasons
    body = {"status": "ready" if ready else "not_ready", "reasons": list(readiness.reasons)}
    return JSONResponse(body, 200 if ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "content": {
                form: {"schema": {"type": "string"}, "example": METRICS} for form in (OPENMETRICS, "text/plain")
            }
        },
        **PROBLEMS,
    },
    summary="运行指标（OpenMetrics）/ Metrics (OpenMetrics)",
)
async def metrics(request: Request, caller: Operating) -> Response:
    page = await services_of(request).scrape.page(request.headers.get("accept"), caller.may_act_for)
    return Response(page.content, headers={"Content-Type": page.content_type, "Vary": "Accept"})


@router.get(
    "/v1/status",
    response_model=StatusView,
    responses={200: {"headers": STALE, "content": example(STATUS)}, **PROBLEMS},
    summary="待上传、可持续时长 / Debt and cover",
)
async def status(request: Request, response: Response, caller: Operating) -> dict[str, object]:
    services = services_of(request)
    sellers = []
    mine = taxpayers_for(caller, services, None)
    counted, stale = await listed(request, caller, lambda books: _counts(books, mine))
    response.headers.update(stale)
    for taxpayer, counts in zip(mine, counted, strict=True):
        cover = await services.cover(taxpayer)
        sellers.append(
            {
                "taxpayer": taxpayer,
                "states": {state.value: count for state, count in counts.items()},
                "cover_hours": cover.hours,
                "cover_bound": cover.bound,
                "cover_bounds": cover.bounds,
                "rate_per_hour": cover.rate_per_hour,
                "rate_source": cover.rate_source,
                "rate_samples": cover.rate_samples,
                "quota_per_hour": cover.quota_per_hour,
                "numbers_left": cover.numbers_left,
                "quota_left": cover.quota_left,
            }
        )
    readiness = await services.readiness()
    return {
        "environment": services.environment,
        "node": services.node,
        "version": __version__,
        "ready": not readiness.reasons,
        "reasons": list(readiness.reasons),
        "door": standing(services.admission),
        "taxpayers": sellers,
    }


@router.get(
    "/v1/events",
    response_model=list[EventView],
    responses={200: {"headers": STALE, "content": example(EVENTS)}, **PROBLEMS},
    summary="事件流水 / The trail of events",
)
async def events(
    request: Request,
    response: Response,
    caller: Auditing,
    after: AfterPosition = 0,
    limit: Limit = 100,
) -> list[EventView]:
    services = services_of(request)
    of = (None,) if caller.may_act_for(ANY) else taxpayers_for(caller, services, None)
    trail, stale = await listed(request, caller, lambda books: _trail(books, of, after, limit))
    response.headers.update(stale)
    return [event_view(event) for event in trail]


@router.get(
    "/v1/audit",
    response_model=AuditView,
    responses={200: {"content": example(AUDIT)}, **PROBLEMS},
    summary="核验事件链 / Verify the chained trail",
)
async def audit(request: Request, caller: Auditing) -> JSONResponse:
    del caller
    return JSONResponse(audit_view(await services_of(request).audit()))


@router.get(
    "/v1/books",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": BOOKS}}},
        **PROBLEMS,
    },
    summary="导出账本 / Export the books (NDJSON)",
)
async def books(request: Request, caller: Auditing) -> StreamingResponse:
    pages = _pages(request, caller, sorted(taxpayers_for(caller, services_of(request), None)))
    begun = await anext(pages, None)
    first, stale = begun or ([], {})

    async def lines() -> AsyncIterator[bytes]:
        async with aclosing(pages):
            yield _lines(first)
            async for page, _ in pages:
                yield _lines(page)

    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=stale)


async def _pages(
    request: Request, caller: Caller, taxpayers: Sequence[str]
) -> AsyncGenerator[tuple[list[InvoiceRecord], dict[str, str]], None]:
    """The books by taxpayer and id; the headers of the first tell of the whole."""
    for taxpayer in taxpayers:
        after = 0
        while True:
            read = partial(_page, taxpayer, after)
            page, stale = await listed(request, caller, read)
            if not page:
                break
            yield page, stale
            after = page[-1].id


async def _page(taxpayer: str, after: int, books: ListBooks) -> list[InvoiceRecord]:
    return await books.page(taxpayer, after=after, limit=BOOKS_PAGE)


def _lines(page: Sequence[InvoiceRecord]) -> bytes:
    return b"".join(json.dumps(invoice_view(one).model_dump(), ensure_ascii=False).encode() + b"\n" for one in page)


async def _counts(books: ListBooks, taxpayers: Sequence[str]) -> list[dict[State, int]]:
    return [await books.state_counts(taxpayer) for taxpayer in taxpayers]


async def _trail(books: ListBooks, taxpayers: Sequence[str | None], after: int, limit: int) -> list[Event]:
    trail: list[Event] = []
    for taxpayer in taxpayers:
        trail += await books.events(taxpayer=taxpayer, after=after, limit=limit)
    return sorted(trail, key=lambda event: event.position)[:limit]
