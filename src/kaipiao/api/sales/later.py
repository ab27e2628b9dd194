"""Answered before it is numbered (`Prefer: respond-async`, RFC 7240), and cancelled until then."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import ACCEPTED as WAITING
from kaipiao.api.described.examples import CANCELLED, example
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import CALLER, INVOICE_UNKNOWN, KEYED, ORDER_NUMBERED, TAXPAYER_UNKNOWN, WRITING
from kaipiao.api.door.admission import Place
from kaipiao.api.once import PARAMETER, REPLAYED, once
from kaipiao.api.views import InvoiceView, invoice_view
from kaipiao.errors import CannotIssue, NotFound, OrderAmbiguous
from kaipiao.invoice.model import Draft
from kaipiao.issuing.issuer import Issued, Issuer
from kaipiao.ledger.port import InvoiceRecord, Ledger

router = APIRouter(tags=["invoices"])
Issuing = Annotated[Caller, Depends(caller_with(Permission.ISSUE))]
RESPOND_ASYNC = "respond-async"
MOST_WAIT = 30.0  # seconds: more is not waited
LOOK_SECONDS = 0.2  # between two looks for a number
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "respond-async：先受理、后编号，应答 202；再加 wait=秒：在此之内有号码则 201 / stored now, numbered later, "
    "answered with 202; with wait=SECONDS: 201 if it has its number by then",
    "schema": {"type": "string"},
    "example": RESPOND_ASYNC,
}
ACCEPTED: dict[str, Any] = {
    "model": InvoiceView,
    "description": "已受理，尚无号码 / accepted, no number yet",
    "headers": {
        "Location": {
            "description": "这笔订单的现状 / the order as it stands",
            "schema": {"type": "string"},
            "example": "/v1/invoices?order=A-1001&taxpayer=91110000MAKP00001M",
        },
        "Preference-Applied": {
            "description": RESPOND_ASYNC,
            "schema": {"type": "string"},
            "example": RESPOND_ASYNC,
        },
    },
    "content": example(WAITING),
}


def patience_of(request: Request) -> float | None:
    """Seconds that the caller would wait for the number before it is answered without one; None: it wants the number.

    RFC 7240: `respond-async` is 0 seconds, `respond-async, wait=10` ten; what else is preferred is ignored."""
    seconds, later = 0.0, False
    for one in ",".join(request.headers.getlist("prefer")).split(","):
        name, _, value = one.partition(";")[0].strip().lower().partition("=")
        later = later or (name, value) == (RESPOND_ASYNC, "")
        if name.strip() == "wait" and value.strip().isascii() and value.strip().isdigit():
            seconds = min(MOST_WAIT, float(value))
    return seconds if later else None


async def issue_or_accept(issuer: Issuer, draft: Draft, patience: float | None, place: Place) -> Issued | InvoiceRecord:
    """The invoice; or, when the caller does not want to wait longer than `patience` for its number, the stored order. It
    waits without its turn, and not at all when many do: that is only a preference."""
    if patience is None:
        return await issuer.issue(draft)
    record = await issuer.accept(draft)
    until = asyncio.get_running_loop().time() + patience
    while record.number is None and (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            return await issuer.issue(draft)
        except CannotIssue:
            if not place.rest():
                break
            await asyncio.sleep(min(left, LOOK_SECONDS))
    return record if record.number is None else await issuer.issue(draft)


def accepted(record: InvoiceRecord) -> Response:
    """202. The order can be read at once; its number comes later."""
    where = urlencode({"order": record.order, "taxpayer": record.taxpayer})
    headers = {"Location": f"/v1/invoices?{where}", "Preference-Applied": RESPOND_ASYNC}
    return Response(invoice_view(record).model_dump_json(), 202, headers, "application/json")


@router.post(
    "/v1/invoices:cancel",
    response_model=InvoiceView,
    responses={
        200: {"headers": REPLAYED, "content": example(CANCELLED)},
        **problems(*CALLER, *INVOICE_UNKNOWN, *TAXPAYER_UNKNOWN, *ORDER_NUMBERED, *KEYED, *WRITING),
    },
    openapi_extra={"parameters": [PARAMETER]},
    summary="撤销尚无号码的订单 / Cancel an order that has no number yet",
)
async def cancel(
    request: Request,
    caller: Issuing,
    order: Annotated[
        str, Query(min_length=1, max_length=128, description="订单号 / your order key", examples=["A-1001"])
    ],
    taxpayer: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=20,
            description="纳税人识别号，几个纳税人都有这个订单号时必填 / needed when several have this order",
            examples=["91110000MAKP00001M"],
        ),
    ] = None,
) -> Response:
    """Only while it is `accepted`; again is the same. Once it has a number there is only the red letter. The order key stays
    taken."""
    services = services_of(request)
    mine = taxpayers_for(caller, services, taxpayer)

    async def cancelled() -> InvoiceView:
        owner = await _owner(services.ledger, mine, order)
        return invoice_view(await services.issuer.cancel(owner, order))

    return await once(request, caller, cancelled)


async def _owner(ledger: Ledger, taxpayers: tuple[str, ...], order: str) -> str:
    """Whose order this is. Raises `NotFound`, and `OrderAmbiguous` when several of these taxpayers have one of this key."""
    found = [owner for owner in taxpayers if await ledger.find(owner, orders=[order])]
    if not found:
        raise NotFound()
    if len(found) > 1:
        raise OrderAmbiguous()
    return found[0]
