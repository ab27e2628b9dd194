"""Between the JSON body of a request and the draft that the platform works with."""

from __future__ import annotations

import json
from decimal import Decimal

from pydantic import TypeAdapter, ValidationError

from kaipiao.errors import Malformed, OrderKeyMissing, TooLarge
from kaipiao.intake.body import BuyerBody, ElementBody, InvoiceRequest, LineBody
from kaipiao.intake.exact_json import parse
from kaipiao.intake.refusals import refusal, too_many
from kaipiao.invoice.model import Draft, DraftLine, Element, Kind, LineNature, Party
from kaipiao.invoice.tables import tables
from kaipiao.language import Text

__all__ = ["InvoiceRequest", "parse_request", "request_json"]

LARGEST_BODY = 8_000_000  # bytes; 5,000 lines need about 2,000,000
_DEEPEST_ELEMENT = 20
_adapter = TypeAdapter(InvoiceRequest)
_NATURES = {str(nature): nature for nature in LineNature}
_KINDS = {str(kind): kind for kind in Kind}


def parse_request(raw: bytes) -> Draft:
    """The draft of a request body. Nothing is judged here but the form.

    Raises `Malformed` (no JSON, no object), `TooLarge` (bytes, nesting), `OrderKeyMissing`, and `FieldsRefused` with
    the path of every wrong field. No error quotes a value.
    """
    if len(raw) > LARGEST_BODY:
        raise TooLarge(Text("请求超过 {limit} 字节。", "Over {limit} bytes.").format(limit=LARGEST_BODY), limit="size")
    body = parse(raw)
    if not isinstance(body, dict):
        raise Malformed(Text("请求应为一个 JSON 对象。", "A request is one JSON object."))
    _first_things(body)
    try:
        request = _adapter.validate_python(body)
    except ValidationError as error:
        raise refusal(error) from None
    return _draft(request)


def _first_things(body: dict[str, object]) -> None:
    """What decides before any field is looked at: the order key, and whether there are too many lines to look at."""
    if body.get("order") in (None, ""):
        raise OrderKeyMissing
    lines, limit = body.get("lines"), tables().limits.counts.lines
    if isinstance(lines, list) and len(lines) > limit:
        raise too_many("lines", limit)


def _draft(request: InvoiceRequest) -> Draft:
    return Draft(
        order=request.order,
        seller_tax_number=request.seller,
        kind=_KINDS[request.kind],
        buyer=_party(request.buyer),
        lines=tuple(map(_line, request.lines)),
        tax_included=request.tax_included,
        remark=request.remark,
        drawer=request.drawer,
        special=tuple(_element(element, 1) for element in request.special),
        expected_total=request.expected_total,
    )


def _party(buyer: BuyerBody) -> Party:
    return Party(
        name=buyer.name,
        tax_number=buyer.tax_number,
        address=buyer.address,
        telephone=buyer.telephone,
        bank=buyer.bank,
        account=buyer.account,
        handler=buyer.handler,
        natural_person=buyer.natural_person,
    )


def _line(line: LineBody) -> DraftLine:
    return DraftLine(
        name=line.name,
        tax_code=line.tax_code,
        tax_rate=line.tax_rate,
        amount=line.amount,
        tax=line.tax,
        quantity=line.quantity,
        unit_price=line.unit_price,
        unit=line.unit,
        specification=line.specification,
        short_name=line.short_name,
        discount=line.discount,
        nature=_NATURES[line.nature],
        policy=line.policy,
    )


def _element(body: ElementBody, depth: int) -> Element:
    if depth > _DEEPEST_ELEMENT:
        raise TooLarge(Text("特定要素嵌套过深。", "Special elements are nested too deeply."), limit="depth")
    children = tuple(_element(child, depth + 1) for child in body.children)
    return Element(body.name, body.text, children, tuple(body.attributes.items()))


def request_json(draft: Draft) -> bytes:
    """The body of a draft: `parse_request` gives the draft back. What is absent or has its usual value is left out."""
    body = _present(
        order=draft.order,
        seller=draft.seller_tax_number,
        kind=str(draft.kind),
        buyer=_buyer_body(draft.buyer),
        lines=[_line_body(line) for line in draft.lines],
        tax_included=draft.tax_included or None,
        remark=draft.remark,
        drawer=draft.drawer,
        expected_total=draft.expected_total,
        special=[_element_body(element) for element in draft.special] or None,
    )
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _present(**fields: object) -> dict[str, object]:
    return {
        name: format(value, "f") if isinstance(value, Decimal) else value
        for name, value in fields.items()
        if value is not None
    }


def _buyer_body(buyer: Party) -> dict[str, object]:
    return _present(
        name=buyer.name,
        tax_number=buyer.tax_number,
        address=buyer.address,
        telephone=buyer.telephone,
        bank=buyer.bank,
        account=buyer.account,
        handler=buyer.handler,
        natural_person=buyer.natural_person or None,
    )


def _line_body(line: DraftLine) -> dict[str, object]:
    return _present(
        name=line.name,
        short_name=line.short_name,
        tax_code=line.tax_code,
        tax_rate=line.tax_rate,
        quantity=line.quantity,
        unit_price=line.unit_price,
        amount=line.amount,
        tax=line.tax,
        unit=line.unit,
        specification=line.specification,
        discount=line.discount,
        nature=None if line.nature is LineNature.NORMAL else str(line.nature),
        policy=line.policy,
    )


def _element_body(element: Element) -> dict[str, object]:
    return _present(
        name=element.name,
        text=element.text,
        children=[_element_body(child) for child in element.children] or None,
        attributes=dict(element.attributes) or None,
    )
