"""The JSON body of `POST /v1/invoices`: its fields and their form.

The form only: whether the invoice may be issued is for the rules. Unknown fields are refused, because a mistyped name must
not lose what it carries. Decimals may be strings or numbers and are taken as they are written.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

# Controls, and what only steers how other text is shown (zero width, direction). Half characters never get this far.
_INVISIBLE = r"\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff"
_PRINTABLE = rf"^[^{_INVISIBLE}]*$"
_LINES_OF_TEXT = rf"^(?:[^{_INVISIBLE}]|[\n\t])*$"

# A key with a space at its edge looks like the key without it, and would make a second invoice.
_KEY = rf"^[^\s{_INVISIBLE}](?:[^{_INVISIBLE}]*[^\s{_INVISIBLE}])?$"

_DIGITS = r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,13})?"
_LARGEST = 10**16 - 1
_FINEST = "0.0000000000001"  # 13 digits after the point
_MAGNITUDES = range(-13, 16)  # powers of ten of the first digit: what lies outside is never written out
_is_plain = re.compile(_DIGITS).fullmatch


def _written_out(value: object) -> str:
    """The digits of a text as they stand; those of a JSON number with its exponent carried out (1e2 is 100)."""
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_zero() or value.adjusted() in _MAGNITUDES else "over"
    return value if isinstance(value, str) else "none"


def _decimal(value: object) -> Decimal:
    """Digits as they were written: at most 16 before and 13 after the point, no negative zero; a text has no exponent."""
    if isinstance(value, Decimal | str):
        text = _written_out(value)
        if _is_plain(text):
            number = Decimal(text)
            if number or text[0] != "-":
                return number
    raise PydanticCustomError("plain_decimal", "not a plain decimal")


Digits = Annotated[
    Decimal,
    PlainValidator(_decimal),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": rf"^(?!-0(?:\.0+)?$){_DIGITS}$"},
                {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST, "multipleOf": float(_FINEST)},
            ],
            "description": "至多 16 位整数、13 位小数 At most 16 digits before and 13 after the point",
            "examples": ["113.00"],
        }
    ),
]
Line = Annotated[str, StringConstraints(max_length=1000, pattern=_PRINTABLE)]
Needed = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=_PRINTABLE)]
Lines = Annotated[str, StringConstraints(max_length=2000, pattern=_LINES_OF_TEXT)]


# A name that can be written into the XML later, when it is too late to refuse it: plain letters, as every published element
# has; never that of a red reference, nor what declares a namespace.
_NAME = r"^(?!RedEInvoice$|xmlns$)[A-Za-z_][A-Za-z0-9._-]*$"
_is_name = re.compile(_NAME.removesuffix("$")).fullmatch


def _xml_name(name: str) -> str:
    if not _is_name(name):
        raise PydanticCustomError("red_element" if name == "RedEInvoice" else "xml_name", "not a name")
    return name


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_xml_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200, "pattern": _NAME, "examples": ["Toll"]}),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class BuyerBody(_Body):
    name: Needed = Field(description="购买方名称 The buyer's name")
    tax_number: Line | None = Field(None, description="纳税人识别号 Taxpayer number; a special invoice needs it")
    address: Line | None = None
    telephone: Line | None = None
    bank: Line | None = None
    account: Line | None = None
    handler: Line | None = Field(None, description="经办人 The person who handles it")
    natural_person: bool = Field(False, description="自然人 A natural person")


class LineBody(_Body):
    name: Needed = Field(description="项目名称 `*简称*项目`, or the bare item name with `short_name`")
    tax_code: Needed = Field(description="税收分类编码 19 digits")
    tax_rate: Digits = Field(description="税率 A fraction: 0.13")
    short_name: Line | None = None
    quantity: Digits | None = None
    unit_price: Digits | None = None
    amount: Digits | None = Field(None, description="金额 With tax when `tax_included`; else without")
    tax: Digits | None = None
    unit: Line | None = None
    specification: Line | None = None
    discount: Digits | None = Field(None, description="折扣额 Above 0: becomes a discount line")
    nature: Literal["00", "01", "02"] = Field("00", description="发票行性质 00 normal, 01 discount, 02 discounted")
    policy: Line | None = Field(None, description="优惠政策标识 01…18; 03 exempt, 04 not taxable")


class ElementBody(_Body):
    name: Name
    text: Lines | None = None
    children: list[ElementBody] = Field(default_factory=list)
    attributes: dict[Name, Lines] = Field(default_factory=dict, json_schema_extra={"additionalProperties": False})


class InvoiceRequest(_Body):
    """开票请求 A request to issue one invoice."""

    order: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_KEY)] = Field(
        description="订单号 Your key of this sale, never used again", examples=["A-1"]
    )
    seller: Needed = Field(description="销售方纳税人识别号 The seller's taxpayer number")
    kind: Literal["general", "special"] = Field(description="普通发票、专用发票 General or special invoice")
    buyer: BuyerBody
    lines: list[LineBody] = Field(
        description="明细 The lines, at most 5,000", min_length=1, json_schema_extra={"maxItems": 5000}
    )
    tax_included: bool = Field(False, description="含税 Prices and amounts are with tax")
    remark: Lines | None = None
    drawer: Line | None = Field(None, description="开票人 The drawer; the seller's own if left out")
    expected_total: Digits | None = Field(None, description="价税合计 Refused when ours differs")
    special: list[ElementBody] = Field(default_factory=list, description="特定要素 Special elements, as in the XML")
