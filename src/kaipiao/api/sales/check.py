"""POST /v1/invoices:check: what would be found and what it would come to, with nothing stored and no number taken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from kaipiao.access.tokens import Caller, Permission
from kaipiao.api.access import caller_with, services_of, taxpayers_for
from kaipiao.api.described.examples import CHECKED, SALE
from kaipiao.api.described.openapi import problems
from kaipiao.api.described.stated import BODY as NO_BODY
from kaipiao.api.described.stated import CALLER, FORM, LOAD, READING, TAXPAYER_UNKNOWN
from kaipiao.api.door.admission import Priority
from kaipiao.api.door.places import placed
from kaipiao.api.envelope import body_of
from kaipiao.api.sales.invoices import PARSE_IN_THREAD
from kaipiao.errors import ChannelCannotCarry
from kaipiao.intake.requests import parse_request
from kaipiao.invoice.model import Draft, Invoice, Line
from kaipiao.issuing.preview import Preview
from kaipiao.language import Language, from_accept_language

router = APIRouter(tags=["invoices"])
Issuing = Annotated[Caller, Depends(caller_with(Permission.ISSUE))]
Verdict = Literal["valid", "invalid", "not_judged"]
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InvoiceRequest"}, "example": SALE},
        },
    }
}


class FindingView(BaseModel):
    """`stops`: it would be refused for this."""

    code: str
    path: str
    verdict: Verdict
    stops: bool
    text: str
    source: str | None


class LineView(BaseModel):
    """A line as it would stand on the invoice: prices and amounts without tax."""

    name: str
    tax_code: str
    tax_rate: str | None = Field(description="null: `rate_text` stands in its place (免税, 不征税)")
    rate_text: str | None
    quantity: str | None
    unit: str | None
    unit_price: str | None
    amount: str
    tax: str | None
    nature: str = Field(description="00 normal, 01 discount, 02 discounted")


class CheckView(BaseModel):
    """`issuable`: the rules and the channel allow it. Numbers, quota and standing are not asked; the order key neither."""

    order: str
    seller: str
    kind: str
    issuable: bool
    findings: list[FindingView]
    amount: str | None = Field(description="null: it cannot be issued as it is")
    tax: str | None
    total: str | None
    total_in_words: str | None
    lines: list[LineView]


@router.post(
    "/v1/invoices:check",
    response_model=CheckView,
    responses={
        200: {"content": {"application/json": {"example": CHECKED}}},
        **problems(*CALLER, *NO_BODY, *LOAD, *TAXPAYER_UNKNOWN, *FORM, *READING),
    },
    openapi_extra=BODY,
    summary="校验，不开具 / Check without issuing",
)
async def check(request: Request, caller: Issuing) -> CheckView:
    """Takes what `POST /v1/invoices` takes. Broken rules are part of the answer, never a problem."""
    services = services_of(request)
    language = from_accept_language(request.headers.get("accept-language"))
    with placed(request, caller, Priority.SALE):
        raw = await body_of(request, services.body_limit)
        draft = await asyncio.to_thread(parse_request, raw) if len(raw) > PARSE_IN_THREAD else parse_request(raw)
        taxpayers_for(caller, services, draft.seller_tax_number)
        return _view(draft, services.issuer.preview(draft), language)


def _view(draft: Draft, found: Preview, language: Language) -> CheckView:
    invoice = found.invoice
    return CheckView(
        order=draft.order,
        seller=draft.seller_tax_number,
        kind=draft.kind.value,
        issuable=found.issuable,
        findings=list(_findings(found, language)),
        amount=_money(invoice.amount) if invoice else None,
        tax=_money(invoice.tax or Decimal(0)) if invoice else None,
        total=_money(invoice.total) if invoice else None,
        total_in_words=invoice.total_in_words if invoice else None,
        lines=_lines(invoice),
    )


def _findings(found: Preview, language: Language) -> Iterator[FindingView]:
    for finding in found.findings:
        yield FindingView(
            code=finding.code,
            path=finding.path,
            verdict=finding.verdict.value,
            stops=finding.stops,
            text=finding.text.in_language(language),
            source=finding.source,
        )
    if found.cannot_carry:
        code, text = ChannelCannotCarry.code, ChannelCannotCarry.title.in_language(language)
        yield FindingView(code=code, path="special", verdict="invalid", stops=True, text=text, source=None)


def _lines(invoice: Invoice | None) -> list[LineView]:
    return [_line(line) for line in invoice.lines] if invoice else []


def _line(line: Line) -> LineView:
    return LineView(
        name=line.name,
        tax_code=line.tax_code,
        tax_rate=_digits(line.tax_rate),
        rate_text=line.rate_text,
        quantity=_digits(line.quantity),
        unit=line.unit,
        unit_price=_digits(line.unit_price),
        amount=f"{line.amount:.2f}",
        tax=_money(line.tax),
        nature=str(line.nature),
    )


def _money(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _digits(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")
