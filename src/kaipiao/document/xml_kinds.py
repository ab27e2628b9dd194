"""Which kind of XML it is, and what of each kind can be judged here."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from kaipiao.document.einvoice import verify_einvoice
from kaipiao.document.other_invoices import verify_fp2019, verify_xbrl_einv, verify_xbrl_inv
from kaipiao.document.report import FieldValue, Layer, Report, Verdict, overall
from kaipiao.document.xml.untrusted import parse
from kaipiao.language import Text

_XBRL = "http://www.xbrl.org/2003/instance"
_MOF = "http://xbrl.mof.gov.cn/taxonomy/"

_SYNTAX = Layer("syntax", Verdict.VALID, Text("XML 可以解析。", "The XML can be read."))
_JUDGES: dict[str, Callable[[etree._Element], Report]] = {
    "einvoice": verify_einvoice,
    "fp_einvoice_2019": verify_fp2019,
    "xbrl_inv": verify_xbrl_inv,
    "xbrl_einv": verify_xbrl_einv,
}


def verify_xml(data: bytes) -> Report:
    """The report on an XML file. Raises `Malformed` and `TooLarge` for what cannot be read."""
    root = parse(data)
    kind = kind_of(root)
    judge = _JUDGES.get(kind)
    report = judge(root) if judge else _unjudged(kind, root)
    layers = (_SYNTAX, *report.layers)
    return Report(kind, report.number, report.fields, layers, overall(layers))


def kind_of(root: etree._Element) -> str:
    """By the name of the root and its namespaces."""
    name = etree.QName(root)
    namespace, local = name.namespace or "", name.localname
    if namespace.startswith("http://www.ofdspec.org"):
        return {"Signature": "ofd_signature", "root": "ofd_custom_tag", "EInvoice": "ofd_custom_tag"}.get(local, "xml")
    if local == "EInvoice":
        return "einvoice"
    if local == "eInvoice":
        return "fp_einvoice_2019"
    return _xbrl_kind(root) if (namespace, local) == (_XBRL, "xbrl") else "xml"


def _xbrl_kind(root: etree._Element) -> str:
    """By the first fact of a MoF taxonomy: `…/taxonomy/<date>/inv` or `…/einv`."""
    for fact in root:
        namespace = etree.QName(fact).namespace or ""
        if namespace.startswith(_MOF):
            return {"inv": "xbrl_inv", "einv": "xbrl_einv"}.get(namespace.rpartition("/")[2], "xml")
    return "xml"


def _unjudged(kind: str, root: etree._Element) -> Report:
    fields: dict[str, FieldValue] = {"root": etree.QName(root).localname[:100]}
    reason = {
        "ofd_custom_tag": Text(
            "OFD 语义标引，只有对象引用，没有值。", "The tags of an OFD: references to objects, no values."
        ),
        "ofd_signature": Text(
            "OFD 签名描述，须与所在的 OFD 一起判断。", "The signature part of an OFD: judged only inside its OFD."
        ),
    }.get(kind, Text("不是发票，本版本不判断其内容。", "No invoice: its content is not judged by this version."))
    layers = (Layer("content", Verdict.NOT_JUDGED, reason),)
    return Report(kind, None, fields, layers, overall(layers))
