"""Real `EInvoice` files: what is read is written again, element by element.

Differences that are allowed, with the reason:
- the declaration's quotes and the letter case of its encoding: we write one form;
- comments: the public samples carry a note of their keeper, which is no part of the invoice;
- white space between elements: it says nothing, and we write none;
- `<a></a>` and `<a/>`: the same empty element;
- the order of elements inside a block: issuers differ in it, so the format means nothing by it (0.32 sample: capitals
  before figures, request time before drawer). Lines and labels keep their order among themselves.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from kaipiao.document.xml import read_invoice, write_invoice
from kaipiao.invoice.model import Kind, LineNature

NAMES = [
    "einvoice_v0.2_official_guangdong_zhuan.xml",
    "einvoice_v0.31_zhuan_redacted_BitBrewing.xml",
    "einvoice_v0.32_jiangsu_taxi_discountline.xml",
]


def _facts(data: bytes) -> dict[str, tuple[str, dict[str, str]]]:
    """Every element by its path (with its count among siblings of the same name): text and attributes."""
    root = etree.fromstring(data, etree.XMLParser(remove_comments=True, remove_pis=True))
    tree = root.getroottree()
    return {
        tree.getelementpath(node): (
            "" if len(node) and not (node.text or "").strip() else node.text or "",
            {str(name): str(value) for name, value in node.attrib.items()},
        )
        for node in root.iter()
    }


def test_the_list_of_real_files_is_complete(samples: Path) -> None:
    assert sorted(path.name for path in (samples / "xml").glob("einvoice*.xml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_reading_writing_and_reading_gives_an_equal_invoice(samples: Path, name: str) -> None:
    invoice = read_invoice((samples / "xml" / name).read_bytes())
    assert read_invoice(write_invoice(invoice)) == invoice


@pytest.mark.parametrize("name", NAMES)
def test_the_written_file_equals_the_original_element_by_element(samples: Path, name: str) -> None:
    original = (samples / "xml" / name).read_bytes()
    assert _facts(write_invoice(read_invoice(original))) == _facts(original)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_written_the_same_for_ever(samples: Path, name: str) -> None:
    written = write_invoice(read_invoice((samples / "xml" / name).read_bytes()))
    assert write_invoice(read_invoice(written)) == written
    assert written.startswith(b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>')


def test_the_fields_of_the_official_sample(samples: Path) -> None:
    invoice = read_invoice((samples / "xml" / NAMES[0]).read_bytes())
    assert (invoice.version, invoice.kind, invoice.blue) == ("0.2", Kind.SPECIAL, True)
    assert invoice.buyer.handler == ""
    assert invoice.seller.bank == "示例银行股份有限公司示例支行"
    assert (invoice.amount, invoice.tax, invoice.total) == (Decimal("2.00"), Decimal("0.12"), Decimal("2.12"))
    assert str(invoice.lines[0].tax_rate) == "0.060000"
    assert [label.code for label in invoice.labels] == ["01,20", "1"]
    assert invoice.signature is not None
    assert invoice.signature.children[0].attributes[0][0] == "URI"
    assert invoice.extra == ()
    assert invoice.absent == frozenset()


def test_the_discount_of_the_taxi_sample(samples: Path) -> None:
    invoice = read_invoice((samples / "xml" / NAMES[2]).read_bytes())
    assert [line.nature for line in invoice.lines] == [LineNature.DISCOUNTED, LineNature.DISCOUNT]
    assert (invoice.kind, invoice.blue, len(invoice.labels)) == (None, None, 3)
    assert [(path, element.name) for path, element in invoice.extra] == [("", "ptbh")]
    assert invoice.signature is None
    assert invoice.authentication_method is None


def test_the_real_red_parts_inside_a_whole_document(samples: Path) -> None:
    """The published fragment holds only what is red; the rest comes from the official sample, amounts turned."""
    fragment = etree.parse(samples / "snippets" / "einvoice_red_fragment.xml").getroot()
    whole = etree.fromstring((samples / "xml" / NAMES[0]).read_bytes())
    for path, name in (
        ("Header/InherentLabel", "InIssuType"),
        ("EInvoiceData/BasicInformation", "TotalTax-includedAmount"),
        ("EInvoiceData/BasicInformation", "TotalTax-includedAmountInChinese"),
        ("EInvoiceData", "SpecificInformation"),
        ("EInvoiceData", "AdditionalInformation"),
    ):
        part, block = fragment.find(f".//{name}"), whole.find(path)
        assert part is not None
        assert block is not None
        own = block.find(name)
        assert own is not None
        block.replace(own, part)
    data = etree.tostring(whole, encoding="UTF-8")
    invoice = read_invoice(data)
    assert invoice.blue is False
    assert (invoice.total, invoice.total_in_words) == (Decimal("-500.00"), "（负数）伍佰圆整")
    assert invoice.red is not None
    assert (invoice.red.blue_number, invoice.red.confirmation) == ("24112000000135114086", "11010824091002615708")
    assert invoice.red.blue_number in (invoice.remark or "")
    assert read_invoice(write_invoice(invoice)) == invoice
    assert _facts(write_invoice(invoice)) == _facts(data)


def test_a_new_number_is_written_in_both_places(samples: Path) -> None:
    invoice = read_invoice((samples / "xml" / NAMES[1]).read_bytes())
    again = read_invoice(write_invoice(replace(invoice, number="26117000000000000007")))
    assert (again.number, again.supervision_number) == ("26117000000000000007", None)
