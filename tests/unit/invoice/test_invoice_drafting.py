"""From draft to invoice and back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from invoice_examples import BUYER_NUMBER, DRAFT, DRAFTS, LINE, MADE_AT, NUMBER, SELLER, SMALL_SELLER, TODAY

from kaipiao.errors import Malformed, RulesBroken
from kaipiao.invoice.drafting import complete, draft_from_invoice, totals
from kaipiao.invoice.model import Draft, Element, Invoice, Kind, Label, LineNature, Party
from kaipiao.invoice.rules import check_draft, check_invoice
from kaipiao.invoice.words import from_words


def _complete(draft: Draft) -> Invoice:
    return complete(draft, SELLER, NUMBER, MADE_AT)


def test_an_invoice_says_who_when_and_how_it_was_made() -> None:
    invoice = _complete(replace(DRAFT, remark="合同1号", special=(Element("x"),)))
    assert (invoice.number, invoice.kind, invoice.blue, invoice.version) == (NUMBER, Kind.GENERAL, True, "0.35")
    assert (invoice.requested_at, invoice.issued_at) == ("2026-11-02 00:30:05", "2026-11-02")
    assert (invoice.tag, invoice.bureau_code) == ("SWEI4403", "14403000000")
    assert invoice.bureau_name == "国家税务总局深圳市税务局"
    assert invoice.medium == Label("01", "电子发票")
    assert invoice.taxpayer_type == Label("1", "一般纳税人")
    assert [label.kind for label in invoice.labels] == ["发票开具方式标签"]
    assert (invoice.seller, invoice.drawer, invoice.remark) == (SELLER.party, "示例开票人", "合同1号")
    assert invoice.special == (Element("x"),)


def test_the_drafts_own_drawer_goes_first() -> None:
    assert _complete(replace(DRAFT, drawer="另一人")).drawer == "另一人"


def test_a_price_with_tax_keeps_its_total() -> None:
    """The real line of business rule 4.5: 16,000 with tax at 1 %."""
    line = replace(LINE, tax_rate=Decimal("0.01"), amount=None, unit_price=Decimal(16000), quantity=Decimal(1))
    invoice = complete(replace(DRAFT, lines=(line,), tax_included=True), SMALL_SELLER, NUMBER, MADE_AT)
    (made,) = invoice.lines
    assert (made.amount, made.tax, made.amount_with_tax) == (
        Decimal("15841.58"),
        Decimal("158.42"),
        Decimal("16000.00"),
    )
    assert made.unit_price == Decimal("15841.58")
    assert (invoice.total, invoice.total_in_words) == (Decimal("16000.00"), "壹万陆仟圆整")


def test_a_discount_becomes_a_line_of_its_own_below() -> None:
    line = replace(LINE, discount=Decimal(10), unit="件", quantity=Decimal(1), unit_price=Decimal(100), policy="05")
    above, below = _complete(replace(DRAFT, lines=(line,))).lines
    assert (above.nature, above.amount, above.tax) == (LineNature.DISCOUNTED, Decimal("100.00"), Decimal("6.00"))
    assert (below.nature, below.amount, below.tax) == (LineNature.DISCOUNT, Decimal("-10.00"), Decimal("-0.60"))
    assert (below.unit, below.quantity, below.unit_price, below.specification) == (None, None, None, None)
    assert (below.name, below.tax_code, below.tax_rate, below.policy) == (
        above.name,
        above.tax_code,
        above.tax_rate,
        above.policy,
    )


def test_a_discount_of_everything_leaves_nothing_to_pay() -> None:
    line = replace(LINE, amount=Decimal("33.33"), discount=Decimal("33.33"))
    for included in (True, False):
        invoice = _complete(replace(DRAFT, lines=(line,), tax_included=included))
        assert (str(invoice.amount), str(invoice.tax), str(invoice.total)) == ("0.00", "0.00", "0.00")


@pytest.mark.parametrize(("policy", "rate_text", "tax_text"), [("03", "免税", "***"), ("04", "不征税", "")])
def test_exempt_and_not_taxable_lines_print_their_text(policy: str, rate_text: str, tax_text: str) -> None:
    line = replace(LINE, tax_rate=Decimal(0), policy=policy)
    invoice = _complete(replace(DRAFT, lines=(line,)))
    (made,) = invoice.lines
    assert (made.rate_text, made.tax_text, made.tax_rate, made.tax) == (rate_text, tax_text, None, None)
    assert (invoice.tax, invoice.total) == (Decimal("0.00"), Decimal("100.00"))
    assert totals(replace(DRAFT, lines=(line,))) == (invoice.amount, invoice.tax, invoice.total)
    assert (Label("01", "不征税", "特定征税方式标签") in invoice.labels) is (policy == "04")


def test_a_zero_rate_line_prints_zero() -> None:
    (made,) = _complete(replace(DRAFT, lines=(replace(LINE, tax_rate=Decimal("0.00")),))).lines
    assert (str(made.tax_rate), str(made.tax), made.rate_text, made.tax_text) == ("0", "0.00", None, None)


@pytest.mark.parametrize("name", ["张三", "张三（个人）"])
def test_a_natural_person_is_named_so_once(name: str) -> None:
    invoice = _complete(replace(DRAFT, buyer=Party(name, natural_person=True)))
    assert invoice.buyer.name == "张三（个人）"


def test_a_short_name_given_apart_makes_the_whole_name() -> None:
    line = replace(LINE, name="软件维护", short_name="信息技术服务")
    assert _complete(replace(DRAFT, lines=(line,))).lines == _complete(DRAFT).lines


@pytest.mark.parametrize("broken", [{"amount": None}, {"amount": Decimal("NaN")}, {"amount": Decimal("1e400")}])
def test_what_was_never_checked_is_refused_not_computed(broken: dict[str, Decimal | None]) -> None:
    with pytest.raises(Malformed):
        _complete(replace(DRAFT, lines=(replace(LINE, **broken),)))  # type: ignore[arg-type]


@given(DRAFTS)
@settings(max_examples=150)
def test_what_is_made_of_a_checked_draft_keeps_every_rule(draft: Draft) -> None:
    if any(finding.stops for finding in check_draft(draft, SELLER, TODAY)):
        return
    invoice = _complete(draft)
    assert [finding for finding in check_invoice(invoice, received=False) if finding.stops] == []
    assert check_invoice(invoice, received=True) == ()


@given(DRAFTS)
@settings(max_examples=150)
def test_totals_add_up(draft: Draft) -> None:
    invoice = _complete(draft)
    assert invoice.tax is not None
    assert invoice.amount == sum(line.amount for line in invoice.lines)
    assert invoice.tax == sum(line.tax for line in invoice.lines if line.tax is not None)
    assert invoice.total == invoice.amount + invoice.tax == from_words(invoice.total_in_words)
    assert totals(draft) == (invoice.amount, invoice.tax, invoice.total)
    for line in invoice.lines:
        assert line.tax is not None
        assert line.amount_with_tax == line.amount + line.tax
        assert all(value.as_tuple().exponent == -2 for value in (line.amount, line.tax, line.amount_with_tax))


@given(DRAFTS)
@settings(max_examples=100)
def test_a_draft_with_tax_comes_to_exactly_what_was_asked(draft: Draft) -> None:
    lines = tuple(
        replace(line, amount=line.amount or Decimal(7), unit_price=None, quantity=None) for line in draft.lines
    )
    lines = tuple(replace(line, discount=None if line.discount is None else Decimal("0.01")) for line in lines)
    asked = sum((line.amount or 0) - (line.discount or 0) for line in lines)
    assert _complete(replace(draft, lines=lines, tax_included=True)).total == asked


@given(DRAFTS)
@settings(max_examples=100)
def test_an_invoice_can_be_issued_anew_with_the_same_figures(draft: Draft) -> None:
    if any(finding.stops for finding in check_draft(draft, SELLER, TODAY)):
        return
    first = _complete(draft)
    again = draft_from_invoice(first, "A-2")
    assert [finding.code for finding in check_draft(again, SELLER, TODAY) if finding.stops] == []
    second = _complete(again)
    assert (second.lines, second.amount, second.tax, second.total) == (
        first.lines,
        first.amount,
        first.tax,
        first.total,
    )


def test_a_natural_person_and_texts_instead_of_rates_come_back_as_they_were_drafted() -> None:
    line = replace(LINE, tax_rate=Decimal(0), policy="03")
    draft = replace(DRAFT, buyer=Party("张三", natural_person=True), lines=(line,))
    again = draft_from_invoice(_complete(draft), "A-2")
    assert again.buyer == draft.buyer
    assert (again.lines[0].policy, again.lines[0].tax_rate) == ("03", Decimal(0))
    assert _complete(again).lines == _complete(draft).lines


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": None}, "KP-RULE-KIND-01"),
        ({"blue": False}, "KP-RULE-RED-01"),
        ({"lines": (replace(_complete(DRAFT).lines[0], tax_rate=None, rate_text="***"),)}, "KP-RULE-RATE-05"),
    ],
)
def test_what_no_draft_can_say_is_refused_with_everything_else_that_stops(change: dict[str, object], code: str) -> None:
    invoice = replace(_complete(DRAFT), buyer=Party("示例商贸有限公司", BUYER_NUMBER[:17]), **change)  # type: ignore[arg-type]
    invoice = replace(invoice, seller=replace(SELLER.party, tax_number="91440000000000000X"))
    with pytest.raises(RulesBroken) as refusal:
        draft_from_invoice(invoice, "A-3")
    findings = refusal.value.facts["findings"]
    assert isinstance(findings, tuple)
    assert {code, "KP-RULE-PARTY-02"} <= {finding.code for finding in findings}
    assert all(finding.stops for finding in findings)
