"""Does a received invoice have what every invoice has? (cardinalities: formats.md 1)"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaipiao.document.report import Layer, Verdict
from kaipiao.document.xml.names import inside
from kaipiao.invoice.model import Invoice, Line
from kaipiao.language import Text

_MOST_TOLD = 20
_BASIC, _SUPERVISION = "EInvoiceData/BasicInformation", "TaxSupervisionInfo"
_TIME = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?: [0-2][0-9]:[0-5][0-9]:[0-5][0-9])?")


def judge_structure(invoice: Invoice) -> Layer:
    """Missing elements make it invalid; empty ones, foreign ones and odd times are warnings."""
    found = dict(_texts(invoice))
    missing = [path for path, text in found.items() if text is None or (not text and _is_absent(path, invoice.absent))]
    missing += _missing_of_lines(invoice)
    warnings = tuple(_warnings(invoice, [path for path, text in found.items() if not text and path not in missing]))
    if missing:
        listed = "、".join(missing[:_MOST_TOLD]) + (" …" if len(missing) > _MOST_TOLD else "")
        reason = Text("缺少必需的元素：{paths}", "Mandatory elements are missing: {paths}").format(paths=listed)
        return Layer("structure", Verdict.INVALID, reason, warnings)
    return Layer("structure", Verdict.VALID, Text("必需的元素齐全。", "All mandatory elements are there."), warnings)


def _texts(invoice: Invoice) -> Iterator[tuple[str, str | None]]:
    """Mandatory elements outside the lines. Number and amounts are there, or the file would not have been read."""
    yield "Header/EInvoiceTag", invoice.tag
    yield "Header/Version", invoice.version
    yield "EInvoiceData/SellerInformation/SellerIdNum", invoice.seller.tax_number
    yield "EInvoiceData/SellerInformation/SellerName", invoice.seller.name
    yield "EInvoiceData/BuyerInformation/BuyerName", invoice.buyer.name
    yield inside(_BASIC, "TotalTax-includedAmountInChinese"), invoice.total_in_words
    yield inside(_BASIC, "Drawer"), invoice.drawer
    yield inside(_BASIC, "RequestTime"), invoice.requested_at
    yield inside(_SUPERVISION, "InvoiceNumber"), _supervision_number(invoice)
    yield inside(_SUPERVISION, "IssueTime"), invoice.issued_at
    yield inside(_SUPERVISION, "TaxBureauCode"), invoice.bureau_code
    yield inside(_SUPERVISION, "TaxBureauName"), invoice.bureau_name


def _supervision_number(invoice: Invoice) -> str:
    absent = _is_absent(inside(_SUPERVISION, "InvoiceNumber"), invoice.absent)
    return "" if absent else invoice.number if invoice.supervision_number is None else invoice.supervision_number


def _is_absent(path: str, absent: frozenset[str]) -> bool:
    """Is the element or a block above it missing?"""
    steps = path.split("/")
    return any("/".join(steps[:count]) in absent for count in range(1, len(steps) + 1))


def _missing_of_lines(invoice: Invoice) -> list[str]:
    if not invoice.lines:
        return ["EInvoiceData/IssuItemInformation"]
    return [
        f"EInvoiceData/IssuItemInformation[{count}]/{name}"
        for count, line in enumerate(invoice.lines, 1)
        for name in _missing_of_line(line)
    ]


def _missing_of_line(line: Line) -> Iterator[str]:
    """Name and code may be empty only by mistake; a rate may be a text, a tax of what is not taxable a blank."""
    if not line.name:
        yield "ItemName"
    if line.tax_rate is None and line.rate_text is None:
        yield "TaxRate"
    if line.tax is None and line.tax_text is None:
        yield "ComTaxAm"
    if not line.tax_code:
        yield "TaxClassificationCode"


def _warnings(invoice: Invoice, empty: list[str]) -> Iterator[Text]:
    for path in empty:
        yield Text("{path} 为空", "{path} is empty").format(path=path)
    for path, time in (
        (inside(_BASIC, "RequestTime"), invoice.requested_at),
        (inside(_SUPERVISION, "IssueTime"), invoice.issued_at),
    ):
        if time and not _TIME.fullmatch(time):
            yield Text("{path} 不是常见的时间格式", "{path} is not in the usual form of a time").format(path=path)
    foreign = sum(1 for _, element in invoice.extra if element.name)
    if foreign:
        yield Text("有 {count} 个不常见的元素", "{count} elements are unusual").format(count=foreign)
