"""Electronic invoices before and beside the 数电票 XML: fp:eInvoice 2019, and the two XBRL instances of the MoF.

Judged is only what is cheap and certain: whether the sums add up. Their rules and signatures are not judged here.
Source of the names: formats.md 1.1 and 2.1, checked on real files.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from lxml import etree

from kaipiao.document.report import FieldValue, Layer, Report, Verdict, overall
from kaipiao.document.xml.block import number_of
from kaipiao.errors import Malformed
from kaipiao.invoice.money import within
from kaipiao.invoice.tables import tables
from kaipiao.invoice.words import from_words
from kaipiao.language import Text

_ZERO = Decimal(0)
_UNTAXED = "***"  # how an exempt tax-control invoice writes its tax

_FP2019 = {
    "number": "InvoiceNo",
    "code": "InvoiceCode",
    "issued_at": "IssueDate",
    "check_code": "InvoiceCheckCode",
    "seller_name": "SellerName",
    "seller_tax_number": "SellerTaxID",
    "buyer_name": "BuyerName",
    "buyer_tax_number": "BuyerTaxID",
    "amount": "TaxExclusiveTotalAmount",
    "tax": "TaxTotalAmount",
    "total": "TaxInclusiveTotalAmount",
    "total_in_words": "TaxInclusiveTotalAmountWithWords",
}
_INV = {
    "number": "NumberOfInvoice",
    "code": "CodeOfInvoice",
    "issued_at": "DateOfIssue",
    "check_code": "IdentifyingCode",
    "seller_name": "NameOfSeller",
    "seller_tax_number": "TaxpayerIdentificationNumberUnifiedSocialCreditCodeOfSeller",
    "buyer_name": "NameOfPurchaser",
    "buyer_tax_number": "TaxpayerIdentificationNumberUnifiedSocialCreditCodeOfPurchaser",
    "amount": "TotalAmountExcludingTax",
    "tax": "TotalTaxAmount",
    "total": "TaxIncludedAmountInFigures",
    "total_in_words": "TaxIncludedAmountInWords",
}
_EINV = {
    "number": "InvoiceNumber",
    "issued_at": "RequestTime",
    "seller_name": "SellerName",
    "seller_tax_number": "SellerIdNum",
    "buyer_name": "NameOfAccountingEntity",
    "buyer_tax_number": "UnifiedSocialCreditCodeOfAccountingEntity",
    "amount": "TotalAmWithoutTax",
    "tax": "TotalTaxAm",
    "total": "TotalTax-includedAmount",
}


def verify_fp2019(root: etree._Element) -> Report:
    return _report("fp_einvoice_2019", root, _FP2019, "Amount", "TaxAmount")


def verify_xbrl_inv(root: etree._Element) -> Report:
    return _report("xbrl_inv", root, _INV, "AmountExcludingTax", "TaxAmount")


def verify_xbrl_einv(root: etree._Element) -> Report:
    return _report("xbrl_einv", root, _EINV, None, None)


def _report(kind: str, root: etree._Element, names: Mapping[str, str], amount: str | None, tax: str | None) -> Report:
    fields: dict[str, FieldValue] = {field: _text(root, name) for field, name in names.items()}
    said = {field: value for field, value in fields.items() if isinstance(value, str)}
    layers = [_arithmetic(said, _all(root, amount), _all(root, tax))]
    if said.get("total_in_words"):
        layers.append(_words(said))
    reason = Text(
        "本版本不判断这类文件的其余内容与签名。",
        "The rest of this kind and its signature are not judged by this version.",
    )
    layers.append(Layer("content", Verdict.NOT_JUDGED, reason))
    return Report(kind, said.get("number") or None, fields, tuple(layers), overall(layers))


def _text(root: etree._Element, name: str) -> str | None:
    node = next(root.iter(f"{{*}}{name}"), None)
    return None if node is None else (node.text or "").strip()


def _all(root: etree._Element, name: str | None) -> list[str]:
    return [] if name is None else [(node.text or "").strip() for node in root.iter(f"{{*}}{name}")]


def _money(text: str | None) -> Decimal | None:
    return _ZERO if text == _UNTAXED else number_of(text or "")


def _arithmetic(said: Mapping[str, str], amounts: list[str], taxes: list[str]) -> Layer:
    amount, tax, total = (_money(said.get(field)) for field in ("amount", "tax", "total"))
    lines, line_taxes = [_money(text) for text in amounts], [_money(text) for text in taxes]
    if amount is None or tax is None or total is None or None in lines or None in line_taxes:
        reason = Text("金额不全，算术未判断。", "Amounts are missing: the arithmetic is not judged.")
        return Layer("arithmetic", Verdict.NOT_JUDGED, reason)
    limits = tables().limits.tolerances
    wrong = [
        text
        for text, holds in (
            (Text("金额加税额不等于价税合计", "amount and tax are not the total"), amount + tax == total),
            (
                Text("各行金额之和不等于合计金额", "the lines do not add up to the amount"),
                _adds(lines, amount, limits.sum_amount),
            ),
            (
                Text("各行税额之和不等于合计税额", "the lines' taxes do not add up to the tax"),
                _adds(line_taxes, tax, limits.sum_tax),
            ),
        )
        if not holds
    ]
    if wrong:
        return Layer(
            "arithmetic", Verdict.INVALID, Text("；".join(one.zh for one in wrong), "; ".join(one.en for one in wrong))
        )
    return Layer("arithmetic", Verdict.VALID, Text("合计相符。", "The sums add up."))


def _adds(parts: list[Decimal | None], total: Decimal, tolerance: Decimal) -> bool:
    """No parts: the file lists none (they stand on another list)."""
    return not parts or within(sum((part for part in parts if part is not None), _ZERO), total, tolerance)


def _words(said: Mapping[str, str]) -> Layer:
    total = _money(said.get("total"))
    try:
        words = from_words(said["total_in_words"])
    except Malformed as error:
        return Layer("words", Verdict.NOT_JUDGED, error.detail)
    if total is None:
        return Layer("words", Verdict.NOT_JUDGED, Text("没有价税合计。", "There is no total."))
    if words != total:
        return Layer("words", Verdict.INVALID, Text("大写与小写金额不一致。", "Capitals and figures differ."))
    return Layer("words", Verdict.VALID, Text("大写与小写金额一致。", "Capitals and figures agree."))
