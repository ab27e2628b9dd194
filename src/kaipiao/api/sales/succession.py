"""POST /v1/invoices:replace, and how an invoice shows what it replaces and what replaced it (R14)."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import ISSUED, LISTED, SALE, example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import (
    BODY,
    CALLER,
    FORM,
    INVOICE_UNKNOWN,
    RULES,
    SEALS,
    STANDING,
    SUPPLY,
    TAXPAYER_UNKNOWN,
    WRITING,
    Stated,
)
from kaipiao.api.envelope import body_of
from kaipiao.api.services import Services
from kaipiao.api.views import InvoiceView, IssuedView, invoice_view, issued_view
from kaipiao.errors import NotFound, OrderConflict, OrderNotReplaceable
from kaipiao.intake.requests import parse_request
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing.successor import Successors
from kaipiao.language import Text
from kaipiao.ledger.port import InvoiceRecord

router = APIRouter(tags=["invoices"])
Issuing = Annotated[Caller, Depends(caller_with(Permission.ISSUE))]
NOT_REPLACEABLE: Stated = (
    OrderNotReplaceable(number="26117000000000000001", state="confirmed"),
    OrderConflict(fields=["lines[0].unit_price"], number="26117000000000000002"),
)
SUCCESSOR = "26117000000000000002"
REPLACED: dict[str, object] = {
    "replaced": {**LISTED[0], "state": "replaced", "accepted_at": None, "provenance": None, "replaced_by": SUCCESSOR},
    "successor": {**ISSUED, "number": SUCCESSOR},
}


REPLACED_BY = Text(
    "本发票未入账，已由 {number} 替换，请勿使用。", "This invoice was never filed: {number} replaces it. Do not use it."
)


class ReplacementView(BaseModel):
    """The invoice that was replaced, and its successor: the one live invoice of the order."""

    replaced: InvoiceView
    successor: IssuedView = Field(description="后继发票：新号码，同一订单号 / a new number, the same order key")


def successors_over(services: Services) -> Successors:
    return Successors(services.ledger, services.issuer, services.questions, services.clock)


async def linked(services: Services, record: InvoiceRecord) -> InvoiceView:
    """With the numbers of what it replaces and what replaced it."""
    view = invoice_view(record)
    successors = successors_over(services)
    if record.replaces is not None:
        before = await successors.predecessor_of(record)
        view.replaces = None if before is None else before.number
    if record.state is State.REPLACED:
        after = await successors.successor_of(record)
        view.replaced_by = None if after is None else after.number
        view.notice = REPLACED_BY.format(number=view.replaced_by).both
    return view


@router.post(
    "/v1/invoices:replace",
    status_code=201,
    response_model=ReplacementView,
    responses={
        200: {
            "model": ReplacementView,
            "description": "已替换过：同一答案 / it was replaced before",
            "content": example(REPLACED),
        },
        201: {"content": example(REPLACED), "description": "已替换 / replaced"},
        **problems(
            *CALLER, *INVOICE_UNKNOWN, *TAXPAYER_UNKNOWN, *BODY, *FORM, *RULES, *NOT_REPLACEABLE, *STANDING, *SUPPLY,
            *WRITING, *SEALS,
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": False,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/InvoiceRequest"}, "example": SALE}
            },
        }
    },
    summary="以后继发票替换终局被拒或逾期的发票 / Replace a finally refused or expired invoice",
)  # fmt: skip
async def replace(
    request: Request,
    caller: Issuing,
    number: Annotated[
        str,
        Query(
            pattern="^[0-9]{20}$",
            description="被替换的发票号码 / the number of the invoice to be replaced",
            examples=["26117000000000000001"],
        ),
    ],
    taxpayer: Annotated[
        str | None,
        Query(min_length=1, max_length=20, description="纳税人识别号 / tax number", examples=["91110000MAKP00001M"]),
    ] = None,
) -> Response:
    """The same order key, a new number. With a body: the corrected sale, of the same `order`; without: the same content. Its key
    is `number`: the same call again gets the same answer. `409` `KP-ORDER-05` says why not."""
    services = services_of(request)
    raw = await body_of(request, services.body_limit)
    draft = await asyncio.to_thread(parse_request, raw) if raw else None
    if draft is not None:
        taxpayers_for(caller, services, draft.seller_tax_number)
    for owner in taxpayers_for(caller, services, taxpayer):
        if await services.ledger.find(owner, numbers=[number]):
            done = await successors_over(services).replace(owner, number, draft)
            view = ReplacementView(
                replaced=await linked(services, done.predecessor), successor=issued_view(done.issued)
            )
            headers = {"Kaipiao-Replayed": "true"} if done.issued.replayed else {}
            return Response(view.model_dump_json(), 200 if done.issued.replayed else 201, headers, "application/json")
    raise NotFound()
