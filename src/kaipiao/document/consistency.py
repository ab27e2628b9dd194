"""Do number, tag and bureau of a received invoice speak of the same region? (formats.md 1, business rule 4.1)"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaipiao.invoice.model import Invoice
from kaipiao.invoice.number import is_number
from kaipiao.invoice.rules import Finding, Verdict
from kaipiao.invoice.tables import tables
from kaipiao.language import Text

_SOURCE = "数电票 XML（版式说明 V5.002）EInvoiceTag、TaxBureauCode"
_TAG = re.compile(r"SWEI[0-9]{4}")
_CODE = re.compile(r"1[0-9]{4}0{6}")
_ODD_FORM = Text("不是通常的形式", "It has not the usual form")
_OTHER_REGION = Text("与发票号码的地区不一致", "It is of another region than the invoice number")
_OTHER_YEAR = Text("与发票号码的年份不一致", "It is of another year than the invoice number")


def consistency_findings(invoice: Invoice) -> Iterator[Finding]:
    """A region that contradicts the number makes the file invalid; another form (redacted, old) and another year warn."""
    number = invoice.number
    bureau = tables().bureaus.get(number[2:4]) if is_number(number) else None
    for path, value, form, expected in (
        ("tag", invoice.tag, _TAG, bureau and bureau.tag),
        ("bureau_code", invoice.bureau_code, _CODE, bureau and bureau.code),
    ):
        if not value:
            continue
        if not form.fullmatch(value):
            yield _finding("KP-FILE-01", path, _ODD_FORM, stops=False)
        elif expected is not None and value != expected:
            yield _finding("KP-FILE-02", path, _OTHER_REGION, stops=True)
    if bureau is not None and invoice.issued_at[2:4].isdigit() and invoice.issued_at[2:4] != number[:2]:
        yield _finding("KP-FILE-03", "issued_at", _OTHER_YEAR, stops=False)


def _finding(code: str, path: str, text: Text, *, stops: bool) -> Finding:
    return Finding(code, path, Verdict.INVALID, stops, text, _SOURCE)
