"""An invoice that the platform completes is, read back from its XML, the same invoice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from document_examples import INVOICE, NUMBER

from kaipiao.document.verify import Verdict, verify
from kaipiao.document.xml import read_invoice, write_invoice
from kaipiao.invoice.canonical import invoice_bytes
from kaipiao.invoice.drafting import complete, draft_from_invoice
from kaipiao.invoice.model import Draft, DraftLine, Invoice, Kind, Party, Seller

SELLER = Seller(INVOICE.seller, "11", "11100000000", "国家税务总局北京市税务局", "SWEI1100", drawer="张三")
LINE = DraftLine("*信息技术服务*软件维护", "3040203000000000000", Decimal("0.06"), amount=Decimal("100.00"))
DRAFT = Draft("A-1", "91110000600037341L", Kind.GENERAL, INVOICE.buyer, (LINE,))


def _completed(draft: Draft) -> Invoice:
    return complete(draft, SELLER, NUMBER, datetime(2026, 11, 24, 2, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    "draft",
    [
        DRAFT,
        replace(DRAFT, kind=Kind.SPECIAL, remark="第一行\n第二行 <&>"),
        replace(DRAFT, tax_included=True, lines=(replace(LINE, quantity=Decimal(3), unit_price=None, unit="月"),)),
        replace(DRAFT, lines=(replace(LINE, discount=Decimal("10.00")), LINE)),
        replace(DRAFT, lines=(replace(LINE, tax_rate=Decimal(0), policy="03"),)),
        replace(DRAFT, lines=(replace(LINE, tax_rate=Decimal(0), policy="04"),)),
        replace(DRAFT, buyer=Party("王小明", natural_person=True)),
    ],
    ids=["plain", "special", "with tax", "discount", "exempt", "not taxable", "natural person"],
)
def test_what_is_issued_is_read_back_equal_and_verifies(draft: Draft) -> None:
    invoice = _completed(draft)
    written = write_invoice(invoice)
    again = read_invoice(written)
    assert again == invoice
    assert invoice_bytes(again) == invoice_bytes(invoice)
    assert {layer.name for layer in verify(written, "a.xml").layers if layer.verdict is not Verdict.VALID} == {
        "signature"
    }


def test_a_policy_that_prints_nothing_is_not_in_the_xml_and_nothing_else_is_lost() -> None:
    """yhzcbs has no element of its own: only the texts of 03 and 04 tell it."""
    invoice = _completed(replace(DRAFT, lines=(replace(LINE, policy="05"),)))
    again = read_invoice(write_invoice(invoice))
    assert again.lines[0].policy is None
    assert replace(again, lines=(replace(again.lines[0], policy="05"),)) == invoice


def test_an_issued_invoice_can_be_drafted_and_issued_once_more() -> None:
    invoice = _completed(replace(DRAFT, lines=(replace(LINE, discount=Decimal("10.00")),)))
    draft = draft_from_invoice(read_invoice(write_invoice(invoice)), f"xml:{NUMBER}")
    assert draft.order == f"xml:{NUMBER}"
    assert _completed(draft) == invoice
