"""/v1/invoices: issue, read, prove."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import DIGEST, DOCUMENT, EVENTS, ISSUED, LISTED, SALE, SEAL, example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import CALLER, INVOICE_UNKNOWN, ISSUING, READING, SEALS, TAXPAYER_UNKNOWN
from kaipiao.api.door.places import PLACE
from kaipiao.api.envelope import body_of
from kaipiao.api.filters import Filters, filters, next_page
from kaipiao.api.lists import STALE, listed
from kaipiao.api.pages import NEXT_PAGE
from kaipiao.api.sales.later import ACCEPTED, PREFER, accepted, issue_or_accept, patience_of
from kaipiao.api.sales.succession import linked
from kaipiao.api.services import Services
from kaipiao.api.views import EventView, InvoiceView, IssuedView, event_view, issued_view
from kaipiao.errors import NotFound
from kaipiao.intake.requests import InvoiceRequest, parse_request
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.port import InvoiceRecord, SealedDocument
from kaipiao.seal.detached import seal_file
from kaipiao.seal.port import Seal

router = APIRouter(prefix="/v1/invoices", tags=["invoices"])
issuing_caller = caller_with(Permission.ISSUE)
Issuing = Annotated[Caller, Depends(issuing_caller)]
Reading = Annotated[Caller, Depends(caller_with(Permission.READ))]
Number = Annotated[
    str,
    Path(
        description="20 位发票号码 / 20 digits",
        examples=["26117000000000000001"],
        json_schema_extra={"pattern": "^[0-9]{20}$"},
    ),
]
Taxpayer = Annotated[
    str | None,
    Query(min_length=1, max_length=20, description="纳税人识别号 / tax number", examples=["91110000MAKP00001M"]),
]

REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InvoiceRequest"}, "example": SALE}},
    }
}
LOCATION: dict[str, object] = {
    "Location": {
        "description": "这张发票 / the invoice",
        "schema": {"type": "string"},
        "example": "/v1/invoices/26117000000000000001",
    }
}
READ_PROBLEMS = problems(*CALLER, *INVOICE_UNKNOWN, *TAXPAYER_UNKNOWN, *READING)
PARSE_IN_THREAD = 64 * 1024  # bytes: a larger body is parsed beside the event loop


@router.post(
    "",
    status_code=201,
    response_model=IssuedView,
    responses={
        200: {
            "model": IssuedView,
            "description": "订单已开过：同一答案 / the order was issued before",
            "headers": {
                **LOCATION,
                "Kaipiao-Replayed": {"schema": {"type": "string", "const": "true"}, "example": "true"},
            },
            "content": example(ISSUED),
        },
        201: {"headers": LOCATION, "content": example(ISSUED), "description": "已开具 / issued"},
        202: ACCEPTED,
        **problems(*CALLER, *ISSUING),
    },
    openapi_extra={**REQUEST_BODY, "parameters": [PREFER]},
    summary="开具一张发票 / Issue an invoice",
)
async def issue(request: Request, caller: Issuing) -> Response:
    """One call per sale. Send it again with the same `order` whenever the answer did not arrive: never a second invoice.
    With `Prefer: respond-async` the order is stored and answered at once, and numbered later; a call without it numbers it now."""
    services = services_of(request)
    raw = await body_of(request, services.body_limit)
    draft = await asyncio.to_thread(parse_request, raw) if len(raw) > PARSE_IN_THREAD else parse_request(raw)
    taxpayers_for(caller, services, draft.seller_tax_number)
    issued = await issue_or_accept(services.issuer, draft, patience_of(request), request.scope[PLACE])
    if isinstance(issued, InvoiceRecord):
        return accepted(issued)
    view = issued_view(issued)
    status = 200 if issued.replayed else 201
    headers = {"Location": view.links["self"]}
    if issued.replayed:
        headers["Kaipiao-Replayed"] = "true"
    return Response(view.model_dump_json(), status, headers, "application/json")


@router.get(
    "",
    response_model=list[InvoiceView],
    responses={200: {"headers": NEXT_PAGE | STALE, "content": example(LISTED)}, **READ_PROBLEMS},
    summary="按订单号查询或列出 / Find by order, or list",
)
async def find(
    request: Request,
    response: Response,
    caller: Reading,
    wanted: Annotated[Filters, Depends(filters)],
    order: Annotated[
        str | None, Query(min_length=1, max_length=128, description="订单号 / your order key", examples=["A-1001"])
    ] = None,
    taxpayer: Taxpayer = None,
) -> list[InvoiceView]:
    """By `order`: the one invoice of each taxpayer, whatever else is given. Else a page; `Link` leads to the next."""
    services = services_of(request)
    owners = taxpayers_for(caller, services, taxpayer)
    if order is not None:
        return [
            await linked(services, record)
            for owner in owners
            for record in await services.ledger.find(owner, orders=[order])
        ]
    page, stale = await listed(request, caller, lambda books: wanted.page(books, owners))
    response.headers.update({**stale, **next_page(request, wanted, page)})
    return [await linked(services, record) for record in page]


@router.get(
    "/{number}",
    response_model=InvoiceView,
    responses={200: {"content": example(LISTED[0])}, **READ_PROBLEMS},
    summary="一张发票的现状 / One invoice as it stands",
)
async def show(request: Request, number: Number, caller: Reading, taxpayer: Taxpayer = None) -> InvoiceView:
    services = services_of(request)
    return await linked(services, await _record(services, caller, number, taxpayer))


@router.get(
    "/{number}/document",
    response_class=Response,
    responses={
        200: {
            "headers": {
                "Content-SM3": {"description": "SM3，十六进制 / hex", "schema": {"type": "string"}, "example": DIGEST},
                "Content-Disposition": {"schema": {"type": "string"}, "example": 'attachment; filename="….xml"'},
                "Kaipiao-Replaced-By": {
                    "description": "已被替换时：后继发票的号码 / of a replaced one: the number of its successor",
                    "schema": {"type": "string"},
                    "example": "26117000000000000002",
                },
            },
            "content": {"application/xml": {"schema": {"type": "string"}, "example": DOCUMENT}},
        },
        **READ_PROBLEMS,
    },
    summary="冻结的 XML / The frozen XML",
)
async def document(request: Request, number: Number, caller: Reading, taxpayer: Taxpayer = None) -> Response:
    services = services_of(request)
    record, sealed = await _sealed(services, caller, number, taxpayer)
    headers = {"Content-Disposition": f'attachment; filename="{number}.xml"', "Content-SM3": sealed.digest.hex()}
    if record.state is State.REPLACED:
        headers["Kaipiao-Replaced-By"] = (await linked(services, record)).replaced_by or ""
    return Response(sealed.xml, media_type="application/xml", headers=headers)


@router.get(
    "/{number}/seal",
    response_model=dict[str, object],
    responses={
        200: {"content": example(SEAL)},
        **problems(*CALLER, *INVOICE_UNKNOWN, *TAXPAYER_UNKNOWN, *READING, *SEALS),
    },
    summary="分离式签章 / The detached seal",
)
async def seal(request: Request, number: Number, caller: Reading, taxpayer: Taxpayer = None) -> Response:
    services = services_of(request)
    _, sealed = await _sealed(services, caller, number, taxpayer)
    key = services.public_key(sealed.key_id)
    content = seal_file(sealed.xml, Seal(sealed.key_id, sealed.algorithm, sealed.seal), key).to_bytes()
    headers = {"Content-Disposition": f'attachment; filename="{number}.seal.json"'}
    return Response(content, media_type="application/json", headers=headers)


@router.get(
    "/{number}/events",
    response_model=list[EventView],
    responses={200: {"content": example(EVENTS)}, **READ_PROBLEMS},
    summary="一张发票的经过 / What happened to it",
)
async def events(request: Request, number: Number, caller: Reading, taxpayer: Taxpayer = None) -> list[EventView]:
    services = services_of(request)
    record = await _record(services, caller, number, taxpayer)
    trail = await services.ledger.events(taxpayer=record.taxpayer, subject=record.order)
    return [event_view(event) for event in trail]


async def _record(services: Services, caller: Caller, number: str, asked: str | None) -> InvoiceRecord:
    if number.isascii() and number.isdigit() and len(number) == 20:
        for owner in taxpayers_for(caller, services, asked):
            found = await services.ledger.find(owner, numbers=[number])
            if found:
                return found[0]
    raise NotFound()


async def _sealed(
    services: Services, caller: Caller, number: str, asked: str | None
) -> tuple[InvoiceRecord, SealedDocument]:
    record = await _record(services, caller, number, asked)
    documents = await services.ledger.documents(record.taxpayer, [record.id])
    if record.id not in documents:
        raise NotFound()
    return record, documents[record.id]


def request_schema() -> dict[str, object]:
    """The schema of the request body, for OpenAPI."""
    return InvoiceRequest.model_json_schema(ref_template="#/components/schemas/{model}")
