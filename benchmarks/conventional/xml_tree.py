"""The invoice as an lxml tree, element by element."""

from __future__ import annotations

from lxml import etree

from kaipiao.invoice.model import Invoice, Line, Party


def xml_of(invoice: Invoice) -> bytes:
    root = etree.Element("EInvoice")
    header = etree.SubElement(root, "Header")
    _texts(header, EIid=invoice.number, EInvoiceTag="SWEI4000", Version="0.2")
    label = etree.SubElement(header, "InherentLabel")
    _coded(label, "InIssuType", "Y", "是否蓝字发票标志")
    _coded(label, "EInvoiceType", "01", "数电票")
    _coded(label, "GeneralOrSpecialVAT", "01", "增值税专用发票")
    data = etree.SubElement(root, "EInvoiceData")
    _party(data, "SellerInformation", "Seller", invoice.seller)
    _party(data, "BuyerInformation", "Buyer", invoice.buyer)
    basic = etree.SubElement(data, "BasicInformation")
    _texts(
        basic,
        TotalAmWithoutTax=f"{invoice.amount:.2f}",
        TotalTaxAm=f"{invoice.tax:.2f}",
        TotalTaxIncludedAmount=f"{invoice.total:.2f}",
        Drawer=invoice.drawer,
    )
    for line in invoice.lines:
        _line(data, line)
    _texts(etree.SubElement(data, "AdditionalInformation"), Remark=invoice.remark)
    supervision = etree.SubElement(root, "TaxSupervisionInfo")
    _texts(supervision, InvoiceNumber=invoice.number)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, standalone=True)


def _texts(parent: etree._Element, **texts: object) -> None:
    for name, text in texts.items():
        etree.SubElement(parent, name).text = None if text is None else str(text)


def _coded(parent: etree._Element, name: str, code: str, text: str) -> None:
    _texts(etree.SubElement(parent, name), LabelCode=code, LabelName=text)


def _party(parent: etree._Element, name: str, prefix: str, party: Party) -> None:
    texts = {
        "IdNum": party.tax_number,
        "Name": party.name,
        "Addr": party.address,
        "TelNum": party.telephone,
        "BankName": party.bank,
        "BankAccNum": party.account,
    }
    _texts(etree.SubElement(parent, name), **{prefix + key: value for key, value in texts.items()})


def _line(parent: etree._Element, line: Line) -> None:
    _texts(
        etree.SubElement(parent, "IssuItemInformation"),
        ItemName=line.name,
        SpecMod=line.specification,
        MeaUnits=line.unit,
        Quantity=line.quantity,
        UnPrice=line.unit_price,
        Amount=f"{line.amount:.2f}",
        TaxRate=line.tax_rate,
        ComTaxAm=f"{line.tax:.2f}",
        TaxClassificationCode=line.tax_code,
    )
