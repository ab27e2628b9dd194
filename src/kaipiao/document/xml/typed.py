"""The typed fields of a parsed `EInvoice`, read by element name."""

from __future__ import annotations

from lxml import etree

from kaipiao.document.xml.block import Block
from kaipiao.document.xml.element import element_of, namespace_of
from kaipiao.document.xml.lines import read_lines
from kaipiao.errors import Malformed
from kaipiao.invoice.model import Element, Invoice, Kind, Label, Party, RedReference
from kaipiao.language import Text

_BLUE = {"Y": True, "N": False}
_KINDS = {"01": Kind.SPECIAL, "02": Kind.GENERAL}
_NATURAL_PERSON = "（个人）"


def read_typed(root: etree._Element) -> Invoice:
    """The typed fields alone. Raises `Malformed` for what has no one meaning, with path and line."""
    file = Block(root, "", namespace_of(root))
    if file.name != "EInvoice":
        raise Malformed(
            Text("根元素不是 EInvoice，不是数电票 XML。", "The root is not EInvoice: not the XML of an e-invoice."),
            line=1,
        )
    header, data, supervision = file.block("Header"), file.block("EInvoiceData"), file.block("TaxSupervisionInfo")
    inherent, basic = header.block("InherentLabel"), data.block("BasicInformation")
    specific, additional = data.block("SpecificInformation"), data.block("AdditionalInformation")
    number, blue = header.required("EIid"), _BLUE.get(_code(inherent, "InIssuType"))
    supervision_number = supervision.text("InvoiceNumber")
    return Invoice(
        number=number,
        kind=_KINDS.get(_code(inherent, "GeneralOrSpecialVAT")),
        blue=blue,
        seller=_party(data.block("SellerInformation"), "Seller"),
        buyer=_party(data.block("BuyerInformation"), "Buyer"),
        lines=read_lines(data.all("IssuItemInformation"), blue),
        amount=basic.required_decimal("TotalAmWithoutTax"),
        tax=basic.decimal("TotalTaxAm"),
        total=basic.required_decimal("TotalTax-includedAmount"),
        total_in_words=basic.text("TotalTax-includedAmountInChinese") or "",
        drawer=basic.text("Drawer") or "",
        requested_at=basic.text("RequestTime") or "",
        issued_at=supervision.text("IssueTime") or "",
        bureau_code=supervision.text("TaxBureauCode") or "",
        bureau_name=supervision.text("TaxBureauName") or "",
        version=header.text("Version") or "",
        tag=header.text("EInvoiceTag") or "",
        medium=_inherent(inherent, "EInvoiceType"),
        taxpayer_type=_inherent(inherent, "TaxpayerType"),
        labels=_labels(header.block("UndefinedLabel")),
        remark=additional.text("Remark"),
        red=_red(specific),
        authentication_method=file.block("SellerAuthentication").text("AuthenticationMethods"),
        supervision_number=None if supervision_number == number else supervision_number,
        special=_others(specific, "RedEInvoice"),
        additional=_others(additional, "Remark"),
        signature=_signature(file),
    )


def _code(inherent: Block, name: str) -> str:
    return inherent.block(name).text("LabelCode") or ""


def _party(block: Block, side: str) -> Party:
    name = block.text(side + "Name") or ""
    return Party(
        name=name,
        tax_number=block.text(side + "IdNum"),
        address=block.text(side + "Addr"),
        telephone=block.text(side + "TelNum"),
        bank=block.text(side + "BankName"),
        account=block.text(side + "BankAccNum"),
        handler=block.text("BuyerHandlingName") if side == "Buyer" else None,
        natural_person=name.endswith(_NATURAL_PERSON),
    )


def _inherent(block: Block, name: str) -> Label | None:
    return _label(block.block(name)) if block.has(name) else None


def _label(block: Block) -> Label:
    return Label(block.text("LabelCode"), block.text("LabelName"), block.text("LabelType"))


def _labels(block: Block) -> tuple[Label, ...]:
    """Labels may be nested in labels (seen in toll invoices)."""
    found: list[Label] = []
    for label in block.all("Label"):
        nested = _labels(label)
        found += nested or (_label(label),)
    return tuple(found)


def _red(block: Block) -> RedReference | None:
    if not block.has("RedEInvoice"):
        return None
    red = block.block("RedEInvoice")
    return RedReference(red.text("OriginalInvoiceCode") or "", red.text("CreditNoteNumber") or "")


def _others(block: Block, known: str) -> tuple[Element, ...]:
    return tuple(child for child in block.elements() if child.name != known)


def _signature(file: Block) -> Element | None:
    block = file.block("TaxBureauSignature")
    return None if block.node is None else element_of(block.node, block.root_namespace)
