"""Answered before it is numbered (`Prefer: respond-async`, RFC 7240), and cancelled until then."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, one_taxpayer, services_of
from kaipiao.api.examples import CANCELLED, example
from kaipiao.api.openapi import problems
from kaipiao.api.views import InvoiceView, invoice_view
from kaipiao.ledger.port import InvoiceRecord

router = APIRouter(tags=["invoices"])
Issuing = Annotated[Caller, Depends(caller_with(Permission.ISSUE))]
RESPOND_ASYNC = "respond-async"
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "respond-async：先受理、后编号，应答 202 / stored now, numbered later, answered with 202",
    "schema": {"type": "string"},
    "example": RESPOND_ASYNC,
}
ACCEPTED: dict[str, Any] = {
    "model": InvoiceView,
    "description": "已受理，尚无号码 / accepted, no number yet",
    "headers": {
        "Location": {"description": "这笔订单的现状 / the order as it stands", "schema": {"type": "string"}},
        "Preference-Applied": {"description": RESPOND_ASYNC, "schema": {"type": "string"}},
    },
}


def wants_it_later(request: Request) -> bool:
    """Whether the caller prefers not to wait for the number. Other preferences (`wait=10`) are ignored, as RFC 7240 allows."""
    given = ",".join(request.headers.getlist("prefer")).split(",")
    return any(one.partition(";")[0].strip().lower() == RESPOND_ASYNC for one in given)


def accepted(record: InvoiceRecord) -> Response:
    """202. The order can be read at once; its number comes later."""
    where = urlencode({"order": record.order, "taxpayer": record.taxpayer})
    headers = {"Location": f"/v1/invoices?{where}", "Preference-Applied": RESPOND_ASYNC}
    return Response(invoice_view(record).model_dump_json(), 202, headers, "application/json")


@router.post(
    "/v1/invoices:cancel",
    response_model=InvoiceView,
    responses={200: {"content": example(CANCELLED)}, **problems(400, 401, 403, 404, 409, 503)},
    summary="撤销尚无号码的订单 / Cancel an order that has no number yet",
)
async def cancel(
    request: Request,
    caller: Issuing,
    order: Annotated[str, Query(min_length=1, max_length=128, description="订单号 / your order key")],
    taxpayer: Annotated[
        str | None,
        Query(
            min_length=1, max_length=20, description="纳税人识别号，多于一个时必填 / required when there are several"
        ),
    ] = None,
) -> InvoiceView:
    """Only while it is `accepted`; again is the same. Once it has a number there is only the red letter. The order key stays
    taken."""
    services = services_of(request)
    owner = one_taxpayer(caller, services, taxpayer)
    return invoice_view(await services.issuer.cancel(owner, order))
