"""The layers of a received 数电票 XML."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from kaipiao.document.consistency import consistency_findings
from kaipiao.document.report import FieldValue, Layer, Report, Verdict, overall
from kaipiao.document.structure import judge_structure
from kaipiao.document.xml.reader import invoice_of
from kaipiao.errors import KaipiaoError
from kaipiao.invoice.model import Invoice
from kaipiao.invoice.rules import Finding, check_invoice, worst
from kaipiao.language import Text

_MOST_TOLD = 20
# Which layer a finding belongs to, by the beginning of its code; everything else is of the layer `rules`.
_LAYERS = (
    ("KP-RULE-SUM-06", "words"),
    ("KP-RULE-SUM", "arithmetic"),
    ("KP-RULE-MONEY", "arithmetic"),
    ("KP-RULE-NUM", "consistency"),
    ("KP-FILE", "consistency"),
)
_SOUND = {
    "arithmetic": Text("行、合计与税额在容差之内。", "Lines, sums and taxes are within the tolerances."),
    "words": Text("大写与小写金额一致。", "Capitals and figures agree."),
    "consistency": Text("号码、地区与税务机关相符。", "Number, region and bureau agree."),
    "rules": Text("没有违反规则。", "No rule is broken."),
}
_WHY_UNJUDGED = {
    "arithmetic": Text("金额不全，未判断。", "Amounts are missing: not judged."),
    "words": Text("大写金额无法识别，未判断。", "The capitals cannot be read: not judged."),
}


def verify_einvoice(root: etree._Element) -> Report:
    """The report on a parsed `EInvoice`."""
    try:
        invoice = invoice_of(root)
    except KaipiaoError as error:
        return _unreadable(root, error)
    findings = (*check_invoice(invoice, received=True), *consistency_findings(invoice))
    layers = (
        judge_structure(invoice),
        *(_layer(name, [finding for finding in findings if _layer_of(finding) == name]) for name in _SOUND),
        _signature(invoice),
    )
    return Report("einvoice", invoice.number, _fields(invoice), layers, overall(layers))


def _unreadable(root: etree._Element, error: KaipiaoError) -> Report:
    """Sound XML that claims to be an invoice, but has no one meaning as one."""
    node = next(root.iter("{*}EIid"), None)
    number = (node.text or "").strip() if node is not None else ""
    unread = Text("结构有误，未判断。", "Not judged, because the structure is wrong.")
    layers = (
        Layer("structure", Verdict.INVALID, error.detail),
        *(Layer(name, Verdict.NOT_JUDGED, unread) for name in (*_SOUND, "signature")),
    )
    return Report("einvoice", number[:40] or None, {}, layers, overall(layers))


def _layer_of(finding: Finding) -> str:
    return next((name for code, name in _LAYERS if finding.code.startswith(code)), "rules")


def _layer(name: str, findings: Sequence[Finding]) -> Layer:
    verdict = worst(findings)
    if verdict is Verdict.INVALID:
        reason = _listed([finding for finding in findings if finding.stops])
    elif verdict is Verdict.NOT_JUDGED:
        reason = _WHY_UNJUDGED.get(name) or _listed([one for one in findings if one.verdict is Verdict.NOT_JUDGED])
    else:
        reason = _SOUND[name]
    warnings = [finding for finding in findings if finding.verdict is Verdict.INVALID and not finding.stops]
    return Layer(name, verdict, reason, tuple(map(_told, warnings[:_MOST_TOLD])) + _more(len(warnings) - _MOST_TOLD))


def _listed(findings: Sequence[Finding]) -> Text:
    told = [*map(_told, findings[:_MOST_TOLD]), *_more(len(findings) - _MOST_TOLD)]
    return Text("；".join(one.zh for one in told), "; ".join(one.en for one in told))


def _told(finding: Finding) -> Text:
    zh, en = finding.text.zh, finding.text.en
    return Text(f"{finding.path}：{zh}（{finding.code}）", f"{finding.path}: {en} ({finding.code})")


def _more(count: int) -> tuple[Text, ...]:
    return (Text(f"另有 {count} 处", f"{count} more"),) if count > 0 else ()


def _signature(invoice: Invoice) -> Layer:
    if invoice.signature is None:
        reason = Text(
            "文件没有税务机关签名（乐企开具的文件都没有），请用税局查验核对。",
            "The file has no signature of the bureau (files made through 乐企 have none); ask the bureau's verification.",
        )
    else:
        reason = Text(
            "有税务机关签名，但被签名字节的规范化方法没有公开，离线无法核对；请用税局查验核对。",
            "A signature of the bureau is there, but how the signed bytes are canonicalised is unpublished, so it cannot "
            "be checked offline; ask the bureau's verification.",
        )
    return Layer("signature", Verdict.NOT_JUDGED, reason)


def _fields(invoice: Invoice) -> dict[str, FieldValue]:
    red = invoice.red
    return {
        "version": invoice.version,
        "kind": None if invoice.kind is None else str(invoice.kind),
        "blue": invoice.blue,
        "issued_at": invoice.issued_at,
        "seller_name": invoice.seller.name,
        "seller_tax_number": invoice.seller.tax_number,
        "buyer_name": invoice.buyer.name,
        "buyer_tax_number": invoice.buyer.tax_number,
        "amount": format(invoice.amount, "f"),
        "tax": None if invoice.tax is None else format(invoice.tax, "f"),
        "total": format(invoice.total, "f"),
        "total_in_words": invoice.total_in_words,
        "lines": len(invoice.lines),
        "blue_number": None if red is None else red.blue_number,
        "confirmation": None if red is None else red.confirmation,
    }
