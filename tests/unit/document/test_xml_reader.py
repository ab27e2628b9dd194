"""Every generation is read by name, and nothing that a file says is lost."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from document_examples import BASIC, FILE, HEADER, INVOICE, ITEM, NUMBER, TAIL
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kaipiao.document.xml import read_invoice, write_invoice
from kaipiao.document.xml.names import block_of
from kaipiao.errors import Malformed
from kaipiao.invoice.model import Element, Invoice, Kind, Label, LineNature, RedReference


def _read(text: str) -> Invoice:
    return read_invoice(text.encode())


def _leaves(data: bytes) -> list[tuple[str, str, str]]:
    """Path, text and attributes of every element, without order: an independent view of what a file says."""
    root = etree.fromstring(data, etree.XMLParser(remove_comments=True, remove_pis=True))
    tree = root.getroottree()
    found = []
    for node in root.iter():
        path = tree.getelementpath(node)
        text = "" if len(node) and not (node.text or "").strip() else node.text or ""
        found.append((path, text, repr(sorted(node.attrib.items()))))
    return sorted(found)


def _kept(text: str) -> Invoice:
    """The law of this room for one file."""
    invoice = _read(text)
    written = write_invoice(invoice)
    assert read_invoice(written) == invoice
    assert _leaves(written) == _leaves(text.encode())
    return invoice


def test_a_plain_file_is_read_into_typed_fields_alone() -> None:
    assert _kept(FILE) == INVOICE


def test_absent_and_empty_are_two_things() -> None:
    text = FILE.replace("<BuyerName>", "<BuyerAddr/><BuyerTelNum></BuyerTelNum><BuyerName>")
    buyer = _kept(text).buyer
    assert (buyer.address, buyer.telephone, buyer.bank) == ("", "", None)


def test_empty_numbers_are_none_and_stay_empty_elements() -> None:
    text = FILE.replace("<Quantity>1</Quantity><UnPrice>100</UnPrice>", "<Quantity/><UnPrice></UnPrice>")
    line = _kept(text).lines[0]
    assert (line.quantity, line.unit_price) == (None, None)


@pytest.mark.parametrize("form", ["+100.00", " 100.00 ", "100.0000", "0100.00", "\n100.00"])
def test_an_amount_in_another_form_is_understood_and_written_as_it_was(form: str) -> None:
    text = FILE.replace("<TotalAmWithoutTax>100.00<", f"<TotalAmWithoutTax>{form}<")
    assert _kept(text).amount == Decimal("100.00")


@pytest.mark.parametrize("form", ["", "1,000.00", "１００", "1e2", "NaN", "Infinity", "0x10", "--1", "1.2.3", "9" * 60])
def test_an_amount_that_is_no_plain_number_is_refused_with_its_place(form: str) -> None:
    with pytest.raises(Malformed) as caught:
        _read(FILE.replace("<TotalAmWithoutTax>100.00<", f"<TotalAmWithoutTax>{form}<"))
    assert caught.value.facts["path"] == "EInvoiceData/BasicInformation/TotalAmWithoutTax"
    assert caught.value.facts["line"] == 2
    assert "TotalAmWithoutTax" in caught.value.detail.zh
    assert form == "" or form not in caught.value.detail.zh


def test_rates_and_taxes_in_words_are_kept_as_words() -> None:
    text = FILE.replace("<TaxRate>0.06<", "<TaxRate>免税<").replace("<ComTaxAm>6.00<", "<ComTaxAm>***<")
    line = _kept(text).lines[0]
    assert (line.tax_rate, line.rate_text, line.tax, line.tax_text, line.policy) == (None, "免税", None, "***", "03")
    blank = _kept(FILE.replace("<TaxRate>0.06<", "<TaxRate>不征税<").replace("<ComTaxAm>6.00<", "<ComTaxAm><")).lines[0]
    assert (blank.rate_text, blank.tax_text, blank.policy) == ("不征税", "", "04")


def test_missing_blocks_are_tolerated_and_stay_missing() -> None:
    text = FILE.replace("<SpecificInformation/><AdditionalInformation/>", "")
    start, end = text.index("<InherentLabel>"), text.index("</InherentLabel>") + len("</InherentLabel>")
    text = text[:start] + text[end:]
    invoice = _kept(text.replace(TAIL, ""))
    assert (invoice.kind, invoice.blue, invoice.medium, invoice.issued_at) == (None, None, None, "")
    assert {"TaxSupervisionInfo", "Header/InherentLabel", "EInvoiceData/SpecificInformation"} <= invoice.absent


def test_a_missing_mandatory_text_is_told_from_an_empty_one() -> None:
    absent = _kept(FILE.replace("<Drawer>张三</Drawer>", ""))
    empty = _kept(FILE.replace("<Drawer>张三</Drawer>", "<Drawer/>"))
    assert absent.drawer == empty.drawer == ""
    assert absent.absent == {"EInvoiceData/BasicInformation/Drawer"}
    assert empty.absent == frozenset()


def test_a_label_nested_twice_is_understood_and_written_as_it_was() -> None:
    text = FILE.replace("<Label>", "<Label><Label>").replace("</Label>", "</Label></Label>")
    assert _kept(text).labels == (Label("1", "网页开票", "发票开具方式标签"),)


def test_elements_that_nobody_knows_are_kept_where_they_were() -> None:
    text = FILE.replace("</EInvoice>", '<ptbh a="1"/><x:New xmlns:x="urn:n">1</x:New></EInvoice>')
    text = text.replace("<Amount>", "<Vessel><Deep>1</Deep></Vessel><Vessel/><Amount>")
    invoice = _kept(text)
    assert ("EInvoiceData/IssuItemInformation[1]", Element("Vessel", None, (Element("Deep", "1"),))) in invoice.extra
    assert ("", Element("{urn:n}New", "1")) in invoice.extra


def test_only_a_line_itself_is_a_block_not_what_is_counted_inside_it() -> None:
    line = "EInvoiceData/IssuItemInformation"
    assert block_of(f"{line}[2]") == block_of(line)
    assert block_of(f"{line}[2]/Vessel[2]") is None


def test_attributes_of_blocks_and_leaves_are_kept() -> None:
    _kept(FILE.replace("<Header>", '<Header id="h">').replace("<Drawer>", '<Drawer lang="zh">'))


def test_a_namespace_makes_no_difference() -> None:
    plain = _read(FILE)
    assert _read(FILE.replace("<EInvoice>", '<EInvoice xmlns="urn:whatever">')) == plain
    prefixed = FILE.replace("<", "<q:").replace("<q:/", "</q:").replace("<q:?", "<?")
    assert _read(prefixed.replace("<q:EInvoice>", '<q:EInvoice xmlns:q="urn:whatever">')) == plain


def test_a_red_invoice_says_what_it_corrects() -> None:
    red = (
        "<SpecificInformation><RedEInvoice><OriginalInvoiceCode>26117000000000000009</OriginalInvoiceCode>"
        "<CreditNoteNumber>11010826111000000001</CreditNoteNumber></RedEInvoice></SpecificInformation>"
    )
    invoice = _kept(FILE.replace("<LabelCode>Y", "<LabelCode>N").replace("<SpecificInformation/>", red))
    assert invoice.blue is False
    assert invoice.red == RedReference("26117000000000000009", "11010826111000000001")
    assert invoice.special == ()


def test_special_elements_and_additional_ones_are_kept_as_they_are() -> None:
    toll = "<Toll><PlateNumber>京A00000</PlateNumber></Toll><Toll><PlateNumber>京A00001</PlateNumber></Toll>"
    more = "<Remark>备注</Remark><Additional><Information>甲</Information></Additional>"
    text = FILE.replace("<SpecificInformation/>", f"<SpecificInformation>{toll}</SpecificInformation>")
    invoice = _kept(text.replace("<AdditionalInformation/>", f"<AdditionalInformation>{more}</AdditionalInformation>"))
    assert [element.name for element in invoice.special] == ["Toll", "Toll"]
    assert invoice.remark == "备注"
    assert invoice.additional == (Element("Additional", None, (Element("Information", "甲"),)),)


def test_a_discount_line_is_known_by_its_form_but_not_on_a_red_invoice() -> None:
    discount = (
        "<IssuItemInformation><ItemName>*信息技术服务*软件维护</ItemName><Amount>-1.00</Amount><TaxRate>0.06</TaxRate>"
        "<ComTaxAm>-0.06</ComTaxAm><TaxClassificationCode>3040203000000000000</TaxClassificationCode></IssuItemInformation>"
    )
    text = FILE.replace("<SpecificInformation/>", f"{discount}<SpecificInformation/>")
    assert [line.nature for line in _kept(text).lines] == [LineNature.DISCOUNTED, LineNature.DISCOUNT]
    red = _kept(text.replace("<LabelCode>Y", "<LabelCode>N"))
    assert [line.nature for line in red.lines] == [LineNature.NORMAL, LineNature.NORMAL]


@pytest.mark.parametrize("name", ["EIid", "TotalAmWithoutTax", "TotalTax-includedAmount", "Amount", "Header", "Drawer"])
def test_an_element_that_stands_twice_is_refused(name: str) -> None:
    start = FILE.index(f"<{name}>")
    end = FILE.index(f"</{name}>") + len(f"</{name}>")
    with pytest.raises(Malformed) as caught:
        _read(FILE[:end] + FILE[start:end] + FILE[end:])
    assert name in caught.value.detail.en


@pytest.mark.parametrize("name", ["EIid", "TotalAmWithoutTax", "TotalTax-includedAmount", "Amount"])
def test_without_number_or_amounts_there_is_no_invoice(name: str) -> None:
    start, end = FILE.index(f"<{name}>"), FILE.index(f"</{name}>") + len(f"</{name}>")
    with pytest.raises(Malformed) as caught:
        _read(FILE[:start] + FILE[end:])
    assert str(caught.value.facts["path"]).endswith(name)


def test_a_text_with_elements_inside_has_no_one_meaning() -> None:
    with pytest.raises(Malformed) as caught:
        _read(FILE.replace(f"<EIid>{NUMBER}", f"<EIid>{NUMBER}<b>1</b>"))
    assert caught.value.facts["path"] == "Header/EIid"


@pytest.mark.parametrize("root", ["eInvoice", "Einvoice", "xbrl", "html"])
def test_another_root_is_no_invoice(root: str) -> None:
    with pytest.raises(Malformed):
        _read(f"<{root}>{HEADER}</{root}>")


def test_a_second_number_that_differs_is_kept_apart() -> None:
    other = "26117000000000000002"
    text = FILE.replace(f"<InvoiceNumber>{NUMBER}", f"<InvoiceNumber>{other}")
    assert _kept(text).supervision_number == other
    assert _kept(FILE).supervision_number is None


def test_an_invoice_that_was_changed_is_written_by_its_fields_not_by_the_odd_form_it_had() -> None:
    odd = FILE.replace("<TotalAmWithoutTax>100.00<", "<TotalAmWithoutTax>+100.00<").replace(
        "</EInvoice>", "<ptbh/></EInvoice>"
    )
    changed = replace(_read(odd), amount=Decimal("200.00"))
    written = write_invoice(changed).decode()
    assert "<TotalAmWithoutTax>200.00<" in written
    assert "<ptbh/>" in written


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.integers(0, 6))
def test_any_order_and_any_missing_optional_part_is_read_and_written_again_as_it_was(seed: int, cuts: int) -> None:
    chance = random.Random(seed)
    root = etree.fromstring(FILE.encode())
    needed = {"EIid", "TotalAmWithoutTax", "TotalTax-includedAmount", "Amount"}
    for _ in range(cuts):
        node = chance.choice(list(root.iter()))
        parent = node.getparent()
        if parent is not None and not needed & {str(below.tag) for below in node.iter()}:
            parent.remove(node)
    for block in list(root.iter()):
        children = list(block)
        chance.shuffle(children)
        block[:] = children
        if children and chance.random() < 0.3:
            etree.SubElement(block, f"Odd{chance.randrange(3)}").text = "x" if chance.random() < 0.5 else None
    _kept_any_order(etree.tostring(root, encoding="unicode"))


def _kept_any_order(text: str) -> None:
    invoice = _read(text)
    written = write_invoice(invoice)
    assert read_invoice(written) == invoice
    assert _names_and_texts(written) == _names_and_texts(text.encode())


def _names_and_texts(data: bytes) -> list[str]:
    """Path by names alone, with the text: what a file says when order does not count."""
    found = []
    for node in etree.fromstring(data).iter():
        path = "/".join(reversed([str(step.tag) for step in [node, *node.iterancestors()]]))
        found.append(f"{path}={(node.text or '').strip()}")
    return sorted(found)


def test_it_is_a_general_invoice_when_the_label_says_so() -> None:
    text = FILE.replace(
        "<LabelCode>01</LabelCode><LabelName>增值税专用发票<", "<LabelCode>02</LabelCode><LabelName>普通发票<"
    )
    assert _kept(text).kind is Kind.GENERAL
    other = FILE.replace(
        "<LabelCode>01</LabelCode><LabelName>增值税专用发票<", "<LabelCode>77</LabelCode><LabelName>新票种<"
    )
    assert _kept(other).kind is None


def test_lines_and_totals_are_found_in_any_place_of_their_block() -> None:
    swapped = FILE.replace(BASIC + ITEM, ITEM + BASIC)
    assert _read(swapped) == _read(FILE)
