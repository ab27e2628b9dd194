"""The string writer against a tree built by lxml, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from document_examples import FILE, INVOICE, LINE, invoices
from hypothesis import given, settings
from lxml import etree

from kaipiao.document.xml import read_invoice, write_invoice
from kaipiao.errors import Malformed
from kaipiao.invoice.model import Element, Invoice, Kind, Label, Line, Party


def _add(parent: etree._Element, name: str, value: str | Decimal | None) -> None:
    if value is not None:
        etree.SubElement(parent, name).text = value if isinstance(value, str) else f"{value:f}"


def _add_party(data: etree._Element, party: Party, side: str) -> None:
    block = etree.SubElement(data, f"{side}Information")
    _add(block, f"{side}IdNum", party.tax_number)
    _add(block, f"{side}Name", party.name)
    _add(block, f"{side}Addr", party.address)
    _add(block, f"{side}TelNum", party.telephone)
    _add(block, f"{side}BankName", party.bank)
    _add(block, f"{side}BankAccNum", party.account)
    _add(block, f"{side}HandlingName", party.handler)


def _add_label(parent: etree._Element, name: str, label: Label | None) -> None:
    if label is not None:
        block = etree.SubElement(parent, name)
        _add(block, "LabelType", label.kind)
        _add(block, "LabelCode", label.code)
        _add(block, "LabelName", label.name)


def _add_element(parent: etree._Element, element: Element) -> None:
    node = etree.SubElement(parent, element.name, dict(element.attributes))
    node.text = element.text
    for child in element.children:
        _add_element(node, child)


def _add_line(data: etree._Element, line: Line) -> None:
    block = etree.SubElement(data, "IssuItemInformation")
    _add(block, "ItemName", line.name)
    _add(block, "SpecMod", line.specification)
    _add(block, "MeaUnits", line.unit)
    _add(block, "Quantity", line.quantity)
    _add(block, "UnPrice", line.unit_price)
    _add(block, "Amount", line.amount)
    _add(block, "TaxRate", line.rate_text if line.tax_rate is None else line.tax_rate)
    _add(block, "ComTaxAm", line.tax_text if line.tax is None else line.tax)
    _add(block, "TotaltaxIncludedAmount", line.amount_with_tax)
    _add(block, "TaxClassificationCode", line.tax_code)


def _add_header(root: etree._Element, invoice: Invoice) -> None:
    header = etree.SubElement(root, "Header")
    _add(header, "EIid", invoice.number)
    _add(header, "EInvoiceTag", invoice.tag)
    _add(header, "Version", invoice.version)
    inherent = etree.SubElement(header, "InherentLabel")
    blue = {True: "Y", False: "N"}.get(invoice.blue) if invoice.blue is not None else None
    kind = {Kind.SPECIAL: ("01", "增值税专用发票"), Kind.GENERAL: ("02", "普通发票"), None: (None, None)}[invoice.kind]
    _add_label(inherent, "InIssuType", Label(blue, "是否蓝字发票标志" if blue else None))
    _add_label(inherent, "EInvoiceType", invoice.medium)
    _add_label(inherent, "GeneralOrSpecialVAT", Label(*kind))
    _add_label(inherent, "TaxpayerType", invoice.taxpayer_type)
    labels = etree.SubElement(header, "UndefinedLabel")
    for label in invoice.labels:
        _add_label(labels, "Label", label)


def _add_data(root: etree._Element, invoice: Invoice) -> None:
    data = etree.SubElement(root, "EInvoiceData")
    _add_party(data, invoice.seller, "Seller")
    _add_party(data, invoice.buyer, "Buyer")
    basic = etree.SubElement(data, "BasicInformation")
    _add(basic, "TotalAmWithoutTax", invoice.amount)
    _add(basic, "TotalTaxAm", invoice.tax)
    _add(basic, "TotalTax-includedAmount", invoice.total)
    _add(basic, "TotalTax-includedAmountInChinese", invoice.total_in_words)
    _add(basic, "Drawer", invoice.drawer)
    _add(basic, "RequestTime", invoice.requested_at)
    for line in invoice.lines:
        _add_line(data, line)
    specific = etree.SubElement(data, "SpecificInformation")
    if invoice.red is not None:
        red = etree.SubElement(specific, "RedEInvoice")
        _add(red, "OriginalInvoiceCode", invoice.red.blue_number)
        _add(red, "CreditNoteNumber", invoice.red.confirmation)
    for element in invoice.special:
        _add_element(specific, element)
    additional = etree.SubElement(data, "AdditionalInformation")
    _add(additional, "Remark", invoice.remark)
    for element in invoice.additional:
        _add_element(additional, element)


def tree_by_lxml(invoice: Invoice) -> etree._Element:
    """The same file, built the conventional way from the table of the format."""
    root = etree.Element("EInvoice")
    _add_header(root, invoice)
    _add_data(root, invoice)
    if invoice.authentication_method is not None:
        _add(etree.SubElement(root, "SellerAuthentication"), "AuthenticationMethods", invoice.authentication_method)
    supervision = etree.SubElement(root, "TaxSupervisionInfo")
    own = invoice.supervision_number
    _add(supervision, "InvoiceNumber", invoice.number if own is None else own)
    _add(supervision, "IssueTime", invoice.issued_at)
    _add(supervision, "TaxBureauCode", invoice.bureau_code)
    _add(supervision, "TaxBureauName", invoice.bureau_name)
    if invoice.signature is not None:
        _add_element(root, invoice.signature)
    return root


def _infoset(root: etree._Element) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Names, texts and attributes in document order; prefixes do not count."""
    return [
        (str(node.tag), node.text or "", sorted((str(k), str(v)) for k, v in node.attrib.items()))
        for node in root.iter()
    ]


@settings(max_examples=150, deadline=None)
@given(invoices)
def test_the_string_writer_says_exactly_what_a_tree_built_by_lxml_says(invoice: Invoice) -> None:
    assert _infoset(etree.fromstring(write_invoice(invoice))) == _infoset(tree_by_lxml(invoice))


@settings(max_examples=150, deadline=None)
@given(invoices)
def test_writing_what_was_read_from_a_written_invoice_changes_nothing(invoice: Invoice) -> None:
    invoice = replace(invoice, number="26117000000000000001")
    once = read_invoice(write_invoice(invoice))
    assert read_invoice(write_invoice(once)) == once
    assert _infoset(etree.fromstring(write_invoice(once))) == _infoset(etree.fromstring(write_invoice(invoice)))


def test_an_invoice_as_we_issue_it_is_read_back_equal() -> None:
    assert read_invoice(write_invoice(INVOICE)) == INVOICE


def test_the_current_generation_byte_by_byte() -> None:
    assert write_invoice(INVOICE).decode() == FILE


def test_the_scale_of_a_number_is_kept_and_an_exponent_never_written() -> None:
    line = replace(LINE, tax_rate=Decimal("0.060000"), quantity=Decimal("1E-7"), unit_price=Decimal("1E+3"))
    text = write_invoice(replace(INVOICE, lines=(line,))).decode()
    assert "<TaxRate>0.060000</TaxRate>" in text
    assert "<Quantity>0.0000001</Quantity><UnPrice>1000</UnPrice>" in text


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\ud800", "\ufffe", "\uffff"])
def test_characters_that_xml_cannot_carry_are_refused_not_dropped(character: str) -> None:
    with pytest.raises(Malformed) as caught:
        write_invoice(replace(INVOICE, remark=f"甲{character}乙"))
    assert caught.value.code == "KP-INPUT-01"
    assert "甲" not in caught.value.detail.zh


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "sNaN12", "1E+400", "1E-400"])
def test_numbers_that_are_no_money_are_refused(number: str) -> None:
    with pytest.raises(Malformed):
        write_invoice(replace(INVOICE, total=Decimal(number)))


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a><b", "1a", "-a", "a²", "a\0", "{}a", "xmlns", "{http://www.w3.org/2000/xmlns/}a", "x:y", "a" * 2000],
)
def test_a_name_that_is_no_xml_name_is_refused_so_nothing_can_be_smuggled_in(name: str) -> None:
    with pytest.raises(Malformed):
        write_invoice(replace(INVOICE, special=(Element(name),)))


def test_an_element_that_has_a_field_cannot_be_brought_in_beside_it() -> None:
    with pytest.raises(Malformed):
        write_invoice(replace(INVOICE, special=(Element("RedEInvoice"),)))
    with pytest.raises(Malformed):
        write_invoice(replace(INVOICE, additional=(Element("Remark", "x"),)))


def test_markup_in_values_stays_text() -> None:
    attack = "</Remark></AdditionalInformation><Drawer>x</Drawer>]]>&amp;"
    element = Element("Toll", None, (), (("note", '"><x/>\n'),))
    invoice = replace(INVOICE, remark=attack, special=(element,))
    again = read_invoice(write_invoice(invoice))
    assert again == invoice
