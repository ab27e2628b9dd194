"""The tax-relevant content of an invoice as one digest, the same from our invoice and from the bureau's face of it (R6).

Compared by value, never by bytes: number, blue or red, kind, seller, buyer, totals, and for each line name, code,
quantity, price, amount, rate and tax. Not compared: remark, drawer, device, time of day.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal

from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.reading import Data
from kaipiao.invoice.model import Invoice, Line
from kaipiao.invoice.money import plain
from kaipiao.invoice.tables import tables
from kaipiao.seal.digest import sm3

_NATURAL_PERSON_MARKS = ("（个人）", "(个人)")
_NAME_LIMIT = 1000  # characters; the protocol's own longest is 600
_NO_RATE = frozenset({"免税", "不征税", "***", "*"})

Content = list[object]


def of_invoice(invoice: Invoice) -> bytes:
    """The digest of ours. The kind and the colour of an issued invoice are always set."""
    kind = tables().kinds[invoice.kind].query if invoice.kind is not None else ""
    head: Content = [
        invoice.number,
        "Y" if invoice.blue else "N",
        kind,
        invoice.seller.tax_number or "",
        invoice.buyer.tax_number or "",
        _name(invoice.buyer.name),
        plain(invoice.amount),
        plain(invoice.tax or Decimal(0)),
        plain(invoice.total),
    ]
    return _digest(head, [_our_line(line) for line in invoice.lines])


def of_face(face: Data) -> bytes | None:
    """The digest of the bureau's; None when a part that is compared cannot be read."""
    amounts = [_value(face.get(name)) for name in ("hjje", "hjse", "jshj")]
    lines = [_their_line(reading.as_object(line)) for line in _in_order(reading.as_list(face.get("hwxx")))]
    if not lines or None in amounts or None in lines:
        return None
    head: Content = [
        *(reading.text(face.get(name)) for name in ("fphm", "sflzfp", "fppzDm", "xsfnsrsbh", "gmfnsrsbh")),
        _name(reading.text(face.get("gmfmc"), _NAME_LIMIT)),
        *amounts,
    ]
    return _digest(head, lines)


def _our_line(line: Line) -> Content:
    return [
        line.name.strip(),
        line.tax_code,
        _optional(line.quantity),
        _optional(line.unit_price),
        plain(line.amount),
        plain(line.tax_rate or Decimal(0)),
        plain(line.tax or Decimal(0)),
    ]


def _their_line(line: Data) -> Content | None:
    numbers = [_value(line.get("je")), _value(line.get("slv")), _value(line.get("se"))]
    measures = [_measure(line.get("fpjysl")), _measure(line.get("fpjydj"))]
    if None in numbers or None in measures:
        return None
    words = [reading.text(line.get("xmmc"), _NAME_LIMIT), reading.text(line.get("sphfwssflhbbm"))]
    return [*words, *measures, *numbers]


def _value(value: object) -> str | None:
    """A number; the texts and blanks of exempt and not taxable lines are zero."""
    if value is None or value == "" or (isinstance(value, str) and value in _NO_RATE):
        return "0"
    found = reading.number(value)
    return None if found is None else plain(found)


def _measure(value: object) -> str | None:
    """Quantity or price: "" when absent, None when it cannot be read."""
    if value is None or value == "":
        return ""
    found = reading.number(value)
    return None if found is None else plain(found)


def _optional(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


def _name(name: str) -> str:
    """Without the mark that the bureau appends to a natural person's name."""
    for mark in _NATURAL_PERSON_MARKS:
        name = name.removesuffix(mark)
    return name.strip()


def _in_order(lines: list[object]) -> list[object]:
    """By their own sequence numbers where every line has one."""
    keyed = [(reading.number(reading.as_object(line).get("xh")), line) for line in lines]
    if any(position is None for position, _ in keyed):
        return lines
    return [line for _, line in sorted(keyed, key=lambda pair: pair[0] or 0)]


def _digest(head: Content, lines: Sequence[object]) -> bytes:
    return sm3(json.dumps([head, list(lines)], ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
