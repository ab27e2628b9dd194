"""Every rule: what breaks it, what it says, and what it means for a received file."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invoice_examples import BUYER_NUMBER, DRAFT, LINE, MADE_AT, NUMBER, SELLER, SELLER_NUMBER, SMALL_SELLER, TODAY

from kaipiao.invoice.drafting import complete
from kaipiao.invoice.model import Draft, DraftLine, Element, Invoice, Kind, Label, Line, LineNature, Party, Seller
from kaipiao.invoice.rules import Verdict, all_rules, check_draft, check_invoice, worst

D = Decimal
INVOICE = complete(DRAFT, SELLER, NUMBER, MADE_AT)
ZERO = replace(LINE, tax_rate=D(0))
PRICED = replace(LINE, amount=None, unit_price=D(50), quantity=D(2))
DISCOUNT = replace(LINE, amount=D(-10), nature=LineNature.DISCOUNT)


def lines(*given: DraftLine) -> dict[str, Any]:
    return {"lines": given}


def line(**change: Any) -> dict[str, Any]:
    return lines(replace(LINE, **change))


# What breaks a rule of a draft: change of the draft, code, path. Each breaks just this rule.
BROKEN_DRAFTS: list[tuple[dict[str, Any], str, str]] = [
    ({"order": ""}, "KP-RULE-TEXT-04", "order"),
    ({"order": "   "}, "KP-RULE-TEXT-04", "order"),
    ({"order": "x" * 129}, "KP-RULE-TEXT-03", "order"),
    ({"order": "a\x00b"}, "KP-RULE-TEXT-01", "order"),
    ({"drawer": "a\u202eb"}, "KP-RULE-TEXT-01", "drawer"),
    ({"remark": "a\ud800"}, "KP-RULE-TEXT-01", "remark"),
    ({"remark": "长" * 451}, "KP-RULE-TEXT-03", "remark"),
    ({"buyer": Party("", BUYER_NUMBER)}, "KP-RULE-TEXT-04", "buyer.name"),
    ({"buyer": Party("名" * 301, BUYER_NUMBER)}, "KP-RULE-TEXT-03", "buyer.name"),
    ({"buyer": replace(DRAFT.buyer, address="址" * 301)}, "KP-RULE-TEXT-03", "buyer.address"),
    ({"buyer": replace(DRAFT.buyer, telephone="1" * 61)}, "KP-RULE-TEXT-03", "buyer.telephone"),
    ({"buyer": replace(DRAFT.buyer, bank="行" * 121)}, "KP-RULE-TEXT-03", "buyer.bank"),
    ({"buyer": replace(DRAFT.buyer, account="1" * 51)}, "KP-RULE-TEXT-03", "buyer.account"),
    ({"buyer": replace(DRAFT.buyer, handler="人" * 151)}, "KP-RULE-TEXT-03", "buyer.handler"),
    ({"seller_tax_number": BUYER_NUMBER}, "KP-RULE-PARTY-01", "seller_tax_number"),
    ({"buyer": Party("示例商贸有限公司", "91440000000000000X")}, "KP-RULE-PARTY-02", "buyer.tax_number"),
    ({"buyer": Party("示例商贸有限公司", "91xxxxxxxxxxxxxxxx3")}, "KP-RULE-PARTY-03", "buyer.tax_number"),
    ({"buyer": Party("示例商贸有限公司", "1" * 21)}, "KP-RULE-PARTY-03", "buyer.tax_number"),
    ({"buyer": Party("示例商贸有限公司"), "kind": Kind.SPECIAL}, "KP-RULE-PARTY-05", "buyer.tax_number"),
    (
        {"buyer": Party("张三", "11010519491231002X", natural_person=True), "kind": Kind.SPECIAL},
        "KP-RULE-PARTY-06",
        "buyer.natural_person",
    ),
    ({"special": (Element("a><b"),)}, "KP-RULE-SPECIAL-02", "special"),
    ({"special": (Element("RedEInvoice"),)}, "KP-RULE-SPECIAL-02", "special"),
    ({"special": (Element("a", children=(Element("b", "\x01"),)),)}, "KP-RULE-SPECIAL-02", "special"),
    ({"special": (Element("a", attributes=(("xmlns", "urn:x"),)),)}, "KP-RULE-SPECIAL-02", "special"),
    (lines(), "KP-RULE-LINE-01", "lines"),
    (lines(*[LINE] * 5001), "KP-RULE-LINE-01", "lines"),
    (lines(*[replace(LINE, discount=D(1))] * 2501), "KP-RULE-LINE-01", "lines"),
    (line(quantity=D(1)), "KP-RULE-LINE-02", "lines[0].unit_price"),
    (line(unit_price=D(1)), "KP-RULE-LINE-02", "lines[0].quantity"),
    (line(quantity=D(1), unit_price=D("99.99999999999999")), "KP-RULE-LINE-03", "lines[0].unit_price"),
    (line(quantity=D("1e-12"), unit_price=D("1e14")), "KP-RULE-LINE-03", "lines[0].unit_price"),
    (line(quantity=D(0), unit_price=D(50), amount=D(0)), "KP-RULE-LINE-04", "lines[0].quantity"),
    (line(quantity=D("1.000000000000000000000001"), unit_price=D(100)), "KP-RULE-LINE-04", "lines[0].quantity"),
    (line(name="软件维护"), "KP-RULE-LINE-05", "lines[0].name"),
    (line(name="*信息技术服务*"), "KP-RULE-LINE-05", "lines[0].name"),
    (line(name="软件", short_name="信息*技术"), "KP-RULE-LINE-05", "lines[0].name"),
    (line(name="*信息技术服务*软件", short_name="信息技术服务"), "KP-RULE-LINE-05", "lines[0].name"),
    (line(name="*" + "简" * 121 + "*软件"), "KP-RULE-TEXT-03", "lines[0].name"),
    (line(specification="规" * 151), "KP-RULE-TEXT-03", "lines[0].specification"),
    (line(unit="a\tb"), "KP-RULE-TEXT-01", "lines[0].unit"),
    (lines(DISCOUNT), "KP-RULE-LINE-06", "lines[0]"),
    (lines(LINE, replace(DISCOUNT, amount=D(-101))), "KP-RULE-LINE-06", "lines[1]"),
    (lines(LINE, replace(DISCOUNT, amount=D(10))), "KP-RULE-LINE-06", "lines[1]"),
    (lines(LINE, replace(DISCOUNT, unit="件")), "KP-RULE-LINE-06", "lines[1]"),
    (lines(LINE, replace(DISCOUNT, tax_rate=D("0.13"))), "KP-RULE-LINE-06", "lines[1]"),
    (lines(LINE, replace(DISCOUNT, name="*信息技术服务*其他")), "KP-RULE-LINE-06", "lines[1]"),
    (lines(LINE, DISCOUNT, DISCOUNT), "KP-RULE-LINE-06", "lines[2]"),
    (line(nature=LineNature.DISCOUNTED), "KP-RULE-LINE-06", "lines[0]"),
    (line(amount=None), "KP-RULE-LINE-07", "lines[0].amount"),
    (line(amount=D(-1)), "KP-RULE-LINE-08", "lines[0].amount"),
    (line(discount=D(0)), "KP-RULE-LINE-09", "lines[0].discount"),
    (line(discount=D("100.01")), "KP-RULE-LINE-09", "lines[0].discount"),
    (lines(replace(LINE, discount=D(1)), DISCOUNT), "KP-RULE-LINE-09", "lines[0].discount"),
    (lines(LINE, replace(DISCOUNT, discount=D(1))), "KP-RULE-LINE-09", "lines[1].discount"),
    (line(tax_code="304020300000000000"), "KP-RULE-CODE-01", "lines[0].tax_code"),
    (line(tax_code="0000000000000000000"), "KP-RULE-CODE-01", "lines[0].tax_code"),
    (line(tax_code="３040203000000000000"), "KP-RULE-CODE-01", "lines[0].tax_code"),
    (line(tax_code="6010000000000000000"), "KP-RULE-CODE-02", "lines[0].policy"),
    (line(tax_rate=D("0.07")), "KP-RULE-RATE-01", "lines[0].tax_rate"),
    (line(tax_rate=D("0.01")), "KP-RULE-RATE-01", "lines[0].tax_rate"),
    (line(tax_rate=D("6")), "KP-RULE-RATE-02", "lines[0].tax_rate"),
    (line(tax_rate=D("-0.06")), "KP-RULE-RATE-02", "lines[0].tax_rate"),
    (line(tax_rate=D("NaN")), "KP-RULE-RATE-02", "lines[0].tax_rate"),
    (line(tax_rate=D("0.0600001")), "KP-RULE-RATE-02", "lines[0].tax_rate"),
    (line(tax_rate=D("0.05"), policy="09"), "KP-RULE-RATE-03", "lines[0].tax_rate"),
    ({"kind": Kind.SPECIAL, "lines": (ZERO,)}, "KP-RULE-RATE-04", "lines[0].tax_rate"),
    ({"kind": Kind.SPECIAL, "lines": (replace(ZERO, policy="03"),)}, "KP-RULE-RATE-04", "lines[0].tax_rate"),
    (lines(replace(ZERO, tax=D("0.01"))), "KP-RULE-RATE-06", "lines[0].tax"),
    (line(policy="19"), "KP-RULE-POLICY-01", "lines[0].policy"),
    (line(policy="03"), "KP-RULE-POLICY-02", "lines[0].tax_rate"),
    (line(policy="08"), "KP-RULE-POLICY-02", "lines[0].tax_rate"),
    (lines(LINE, replace(ZERO, policy="04")), "KP-RULE-POLICY-03", "lines[1].policy"),
    (
        lines(LINE, replace(ZERO, policy="04", tax_code="6130000000000000000")),
        "KP-RULE-POLICY-03",
        "lines[1].policy",
    ),
    (line(amount=D("NaN")), "KP-RULE-MONEY-01", "lines[0].amount"),
    (line(amount=D("sNaN")), "KP-RULE-MONEY-01", "lines[0].amount"),
    (line(amount=D("1e400")), "KP-RULE-MONEY-01", "lines[0].amount"),
    (line(discount=D("Infinity")), "KP-RULE-MONEY-01", "lines[0].discount"),
    (line(tax=D("-Infinity")), "KP-RULE-MONEY-01", "lines[0].tax"),
    (line(quantity=D("NaN"), unit_price=D(1)), "KP-RULE-MONEY-01", "lines[0].quantity"),
    (line(quantity=D(1), unit_price=D("1e-400")), "KP-RULE-MONEY-01", "lines[0].unit_price"),
    ({"expected_total": D("NaN")}, "KP-RULE-MONEY-01", "expected_total"),
    (
        line(amount=None, unit_price=D("999999999999"), quantity=D("9" * 20)),
        "KP-RULE-MONEY-01",
        "lines[0].amount",
    ),
    (line(amount=D("1.001")), "KP-RULE-MONEY-02", "lines[0].amount"),
    (line(amount=D(10) ** 16), "KP-RULE-MONEY-03", "lines[0].amount"),
    (lines(*[replace(LINE, amount=D("9999999999999999.99"))] * 2), "KP-RULE-MONEY-03", "total"),
    (line(quantity=D(2), unit_price=D("50.006")), "KP-RULE-SUM-01", "lines[0].amount"),
    (line(tax=D("6.07")), "KP-RULE-SUM-02", "lines[0].tax"),
    (lines(*[replace(LINE, amount=D("0.08"), tax_rate=D("0.06"))] * 300), "KP-RULE-SUM-04", "tax"),
    ({"expected_total": D("106.01")}, "KP-RULE-SUM-07", "expected_total"),
    (
        lines(replace(LINE, amount=None, unit_price=D("91234567890.12"), quantity=D("9999.999")))
        | {"tax_included": True},
        "KP-RULE-SUM-09",
        "lines[0].unit_price",
    ),
]

WARNED_DRAFTS: list[tuple[dict[str, Any], str, str]] = [
    ({"buyer": Party(" 示例商贸有限公司", BUYER_NUMBER)}, "KP-RULE-TEXT-02", "buyer.name"),
    ({"buyer": Party("示例商贸有限公司", "110105123456789")}, "KP-RULE-PARTY-04", "buyer.tax_number"),
    ({"buyer": Party("张三")}, "KP-RULE-PARTY-07", "buyer.name"),
    (line(tax_rate=D("0.03")), "KP-RULE-POLICY-04", "lines[0].policy"),
]

SOUND_DRAFTS: list[tuple[dict[str, Any], Seller]] = [
    ({}, SELLER),
    ({"kind": Kind.SPECIAL}, SELLER),
    ({"remark": "第一行\n第二行"}, SELLER),
    ({"buyer": Party("张三", natural_person=True)}, SELLER),
    ({"buyer": Party("张三", "11010519491231002X", natural_person=True)}, SELLER),
    ({"buyer": Party("示例商贸有限公司", address="", bank="")}, SELLER),
    (line(name="软件维护", short_name="信息技术服务"), SELLER),
    (lines(PRICED), SELLER),
    (line(quantity=D(3), unit_price=D("33.3333333333333")), SELLER),
    (line(tax=D("6.06")), SELLER),
    (line(discount=D(100)), SELLER),
    (lines(LINE, DISCOUNT), SELLER),
    (lines(replace(LINE, nature=LineNature.DISCOUNTED), DISCOUNT, LINE), SELLER),
    (lines(*[LINE] * 5000), SELLER),
    (lines(ZERO), SELLER),
    (lines(replace(ZERO, policy="03")), SMALL_SELLER),
    (lines(replace(ZERO, policy="04", tax_code="6010000000000000000")), SELLER),
    (
        lines(
            replace(LINE, tax_code="3010301010200000000", tax_rate=D("0.09")),
            replace(ZERO, policy="04", tax_code="6130000000000000000"),
        ),
        SELLER,
    ),
    (line(tax_rate=D("0.01")), SMALL_SELLER),
    (line(tax_rate=D("0.03")), SMALL_SELLER),
    (line(tax_rate=D("0.03"), policy="08"), SELLER),
    (line(tax_rate=D("0.05"), policy="09", tax_code="5010000000000000000"), SELLER),
    ({"expected_total": D("106")}, SELLER),
    ({"lines": (PRICED,), "tax_included": True, "expected_total": D("100.000")}, SELLER),
]


def codes(draft: Draft, seller: Seller = SELLER, on: date = TODAY) -> list[tuple[str, str]]:
    return [(finding.code, finding.path) for finding in check_draft(draft, seller, on) if finding.stops]


@pytest.mark.parametrize(("change", "seller"), SOUND_DRAFTS)
def test_a_sound_draft_has_no_finding(change: dict[str, Any], seller: Seller) -> None:
    assert check_draft(replace(DRAFT, **change), seller, TODAY) == ()


@pytest.mark.parametrize(
    ("change", "code", "path"), BROKEN_DRAFTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_broken_draft_is_stopped_by_this_rule_at_this_place(change: dict[str, Any], code: str, path: str) -> None:
    draft = replace(DRAFT, **change)
    assert codes(draft) == [(code, path)]


@pytest.mark.parametrize(("change", "code", "path"), WARNED_DRAFTS)
def test_an_unusual_draft_is_warned_about_and_issued(change: dict[str, Any], code: str, path: str) -> None:
    findings = check_draft(replace(DRAFT, **change), SELLER, TODAY)
    assert [(finding.code, finding.path, finding.stops) for finding in findings] == [(code, path, False)]
    assert worst(findings) is Verdict.VALID


def test_a_price_and_a_quantity_below_zero_do_not_make_a_sale() -> None:
    broken = codes(replace(DRAFT, **line(quantity=D(-2), unit_price=D(-50))))
    assert broken == [("KP-RULE-LINE-08", "lines[0].unit_price"), ("KP-RULE-LINE-08", "lines[0].quantity")]


def test_special_elements_are_carried_without_a_judgement() -> None:
    findings = check_draft(
        replace(DRAFT, special=(Element("Toll", children=(Element("PlateNumber", "示例"),)),)), SELLER, TODAY
    )
    assert [(f.code, f.verdict, f.stops) for f in findings] == [("KP-RULE-SPECIAL-01", Verdict.NOT_JUDGED, False)]
    assert worst(findings) is Verdict.NOT_JUDGED


def test_the_reduced_levy_on_housing_is_not_issued_as_long_as_its_base_is_not_known() -> None:
    seller = replace(SELLER, taxpayer_type="5")
    letting = replace(LINE, tax_rate=D("0.015"), policy="10", tax_code="3040502020200000000")
    assert codes(replace(DRAFT, lines=(letting,)), seller) == [("KP-RULE-POLICY-05", "lines[0].policy")]


@pytest.mark.parametrize(
    ("rate", "code", "day", "broken"),
    [
        ("0.05", "3040803010000000000", date(2025, 12, 31), []),
        ("0.05", "3040803010000000000", date(2026, 1, 1), ["KP-RULE-RATE-03"]),
        ("0.05", "5010000000000000000", date(2027, 12, 31), []),
        ("0.05", "5010000000000000000", date(2028, 1, 1), ["KP-RULE-RATE-01"]),
        ("0.01", "3040203000000000000", date(2027, 12, 31), []),
        ("0.01", "3040203000000000000", date(2028, 1, 1), ["KP-RULE-RATE-01"]),
        ("0.01", "5010000000000000000", date(2026, 1, 1), ["KP-RULE-RATE-03"]),
        ("0.03", "5010000000000000000", date(2026, 1, 1), []),
        ("0.13", "1010101010000000000", date(2026, 1, 1), ["KP-RULE-RATE-01"]),
    ],
)
def test_a_small_taxpayers_rates_go_by_day_and_code(rate: str, code: str, day: date, broken: list[str]) -> None:
    draft = replace(DRAFT, lines=(replace(LINE, tax_rate=D(rate), tax_code=code),))
    assert [code for code, _ in codes(draft, SMALL_SELLER, day)] == broken


def test_the_refusal_of_a_rate_says_which_ones_can_be_used() -> None:
    (finding,) = check_draft(replace(DRAFT, **line(tax_rate=D("0.01"))), SELLER, TODAY)
    assert "0.13, 0.09, 0.06" in finding.text.zh
    assert "0.13, 0.09, 0.06" in finding.text.en


def invoice(**change: Any) -> Invoice:
    return replace(INVOICE, **change)


def invoice_line(**change: Any) -> Invoice:
    return replace(INVOICE, lines=(replace(INVOICE.lines[0], **change),))


RED = replace(
    INVOICE,
    blue=False,
    lines=(replace(INVOICE.lines[0], amount=D(-100), tax=D(-6), amount_with_tax=D(-106)),),
    amount=D(-100),
    tax=D(-6),
    total=D(-106),
    total_in_words="（负数）壹佰零陆圆整",
)

# A complete invoice, code, path, and what it means for a received file (None: the rule is not asked there).
BROKEN_INVOICES: list[tuple[Invoice, str, str, tuple[Verdict, bool] | None]] = [
    (invoice(number="2611"), "KP-RULE-NUM-01", "number", (Verdict.INVALID, True)),
    (invoice(number="01234567890123456789"), "KP-RULE-NUM-02", "number", (Verdict.INVALID, False)),
    (invoice(number="26997000000000000001"), "KP-RULE-NUM-02", "number", (Verdict.INVALID, False)),
    (invoice(supervision_number="1"), "KP-RULE-NUM-03", "supervision_number", (Verdict.INVALID, True)),
    (invoice(kind=None), "KP-RULE-KIND-01", "kind", (Verdict.INVALID, False)),
    (invoice(drawer=""), "KP-RULE-TEXT-04", "drawer", (Verdict.INVALID, False)),
    (invoice(issued_at="gestern"), "KP-RULE-DATE-01", "issued_at", (Verdict.NOT_JUDGED, False)),
    (
        invoice(seller=replace(SELLER.party, tax_number="91440000000000000X")),
        "KP-RULE-PARTY-02",
        "seller.tax_number",
        (Verdict.INVALID, False),
    ),
    (invoice(buyer=Party("x" * 301)), "KP-RULE-TEXT-03", "buyer.name", (Verdict.INVALID, False)),
    (invoice(lines=()), "KP-RULE-LINE-01", "lines", (Verdict.INVALID, True)),
    (invoice_line(unit_price=D(100)), "KP-RULE-LINE-02", "lines[0].quantity", (Verdict.INVALID, False)),
    (invoice_line(tax_code="0" * 19), "KP-RULE-CODE-01", "lines[0].tax_code", (Verdict.INVALID, False)),
    (invoice_line(tax_code="6" * 19), "KP-RULE-CODE-02", "lines[0].rate_text", (Verdict.INVALID, False)),
    (invoice_line(tax_rate=D("0.061")), "KP-RULE-RATE-01", "lines[0].tax_rate", (Verdict.NOT_JUDGED, False)),
    (invoice_line(tax_rate=D("1.06")), "KP-RULE-RATE-02", "lines[0].tax_rate", (Verdict.INVALID, True)),
    (
        invoice_line(tax_rate=None, rate_text="***"),
        "KP-RULE-RATE-05",
        "lines[0].rate_text",
        (Verdict.NOT_JUDGED, False),
    ),
    (
        invoice_line(tax_rate=None, rate_text="免税"),
        "KP-RULE-RATE-06",
        "lines[0].tax",
        (Verdict.INVALID, True),
    ),
    (invoice_line(amount=D("NaN")), "KP-RULE-MONEY-01", "lines[0].amount", (Verdict.INVALID, True)),
    (invoice(total=D("1e400")), "KP-RULE-MONEY-01", "total", (Verdict.INVALID, True)),
    (invoice_line(quantity=D(2), unit_price=D("49.99")), "KP-RULE-SUM-01", "lines[0].amount", (Verdict.INVALID, True)),
    (
        invoice_line(tax=D("5.93"), amount_with_tax=D("105.93")),
        "KP-RULE-SUM-02",
        "lines[0].tax",
        (Verdict.INVALID, True),
    ),
    (invoice(amount=D("100.02"), tax=D("5.98")), "KP-RULE-SUM-03", "amount", (Verdict.INVALID, True)),
    (invoice(tax=D("7.28"), total=D("107.28"), total_in_words="壹佰零柒圆贰角捌分"), "KP-RULE-SUM-04", "tax",
     (Verdict.INVALID, True)),
    (invoice(total=D("106.01"), total_in_words="壹佰零陆圆零壹分"), "KP-RULE-SUM-05", "total", (Verdict.INVALID, True)),
    (invoice(tax=None), "KP-RULE-SUM-05", "tax", (Verdict.NOT_JUDGED, False)),
    (invoice(total_in_words="壹佰零柒圆整"), "KP-RULE-SUM-06", "total_in_words", (Verdict.INVALID, True)),
    (invoice(total_in_words="一百零六"), "KP-RULE-SUM-06", "total_in_words", (Verdict.NOT_JUDGED, False)),
    (invoice_line(amount_with_tax=D(107)), "KP-RULE-SUM-08", "lines[0].amount_with_tax", (Verdict.INVALID, False)),
    (replace(RED, red=None), "KP-RULE-RED-03", "red", (Verdict.INVALID, False)),
    (replace(INVOICE, blue=False), "KP-RULE-RED-02", "total", (Verdict.INVALID, True)),
    (replace(RED, blue=True), "KP-RULE-RED-04", "total", (Verdict.INVALID, True)),
    (replace(RED, blue=True), "KP-RULE-LINE-06", "lines[0]", (Verdict.INVALID, False)),
    (RED, "KP-RULE-RED-01", "blue", None),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "code", "path", "received"), BROKEN_INVOICES)
def test_a_broken_file_is_invalid_warned_about_or_not_judged_as_its_rule_says(
    broken: Invoice, code: str, path: str, received: tuple[Verdict, bool] | None
) -> None:
    found = {(f.code, f.path): (f.verdict, f.stops) for f in check_invoice(broken, received=True)}
    assert found.get((code, path)) == received


def test_a_sound_file_has_no_finding() -> None:
    assert check_invoice(INVOICE, received=True) == ()
    assert check_invoice(INVOICE, received=False) == ()


def test_a_file_of_an_older_issuer_with_six_decimals_and_other_capitals_is_sound() -> None:
    old = Line("*交通运输服务*客运服务费", D("39.35"), D("0.030000"), D("1.180000"), "3010101020203000000", quantity=D(1), unit_price=D("39.35"), amount_with_tax=D("40.53"))  # fmt: skip
    rebate = Line("*交通运输服务*客运服务费", D("-0.96"), D("0.030000"), D("-0.03"), "3010101020203000000")
    file = invoice(lines=(old, rebate), amount=D("38.39"), tax=D("1.15"), total=D("39.54"), total_in_words="叁拾玖元伍角肆分", taxpayer_type=Label("", None), blue=None)  # fmt: skip
    assert check_invoice(file, received=True) == ()


def test_every_rule_is_broken_by_some_example_here() -> None:
    examples = {code for _, code, _ in BROKEN_DRAFTS + WARNED_DRAFTS} | {code for _, code, _, _ in BROKEN_INVOICES}
    examples |= {"KP-RULE-SPECIAL-01", "KP-RULE-POLICY-05"}  # each has a test of its own
    assert examples == {rule.code for rule in all_rules()}


def test_every_rule_has_a_code_both_texts_and_a_source() -> None:
    rules = all_rules()
    assert len({rule.code for rule in rules}) == len(rules)
    for rule in rules:
        assert re.fullmatch(r"KP-RULE-[A-Z]+-\d\d", rule.code)
        assert re.search(r"[\u4e00-\u9fff]", rule.text.zh)
        assert not re.search(r"[\u4e00-\u9fff]", rule.text.en)
        assert rule.source
        assert rule.path


@pytest.mark.parametrize(
    ("change", "code", "path"), BROKEN_DRAFTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_message_quotes_what_stands_in_a_field(change: dict[str, Any], code: str, path: str) -> None:
    draft = replace(DRAFT, **change)
    private = [draft.buyer.name, draft.buyer.tax_number, draft.seller_tax_number, draft.order, draft.remark]
    for finding in check_draft(draft, SELLER, TODAY):
        for text in (finding.text.zh, finding.text.en):
            assert "{" not in text
            assert not any(value in text for value in private if value and len(value) > 3)


HOSTILE_NUMBERS = st.one_of(
    st.none(),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from([D("sNaN"), D("1e400"), D("-0"), D("1e-400"), D("9" * 40), D("1e24"), D("1e-24"), D(0)]),
)
HOSTILE_LINES = st.builds(
    DraftLine,
    name=st.text(max_size=8) | st.just("*a*b"),
    tax_code=st.text(max_size=3) | st.just(LINE.tax_code),
    tax_rate=HOSTILE_NUMBERS.filter(lambda value: value is not None) | st.just(D("0.06")),
    amount=HOSTILE_NUMBERS,
    tax=HOSTILE_NUMBERS,
    quantity=HOSTILE_NUMBERS,
    unit_price=HOSTILE_NUMBERS,
    discount=HOSTILE_NUMBERS,
    nature=st.sampled_from(LineNature),
    policy=st.none() | st.text(max_size=3) | st.sampled_from(["03", "04", "10"]),
)


@given(st.lists(HOSTILE_LINES, max_size=4).map(tuple), st.booleans(), HOSTILE_NUMBERS, st.text(max_size=5))
@settings(max_examples=300)
def test_no_draft_makes_the_rules_fail_and_what_passes_can_be_made(
    given_lines: tuple[DraftLine, ...], included: bool, expected: Decimal | None, text: str
) -> None:
    draft = replace(DRAFT, lines=given_lines, tax_included=included, expected_total=expected, remark=text)
    if not codes(draft):
        made = complete(draft, SELLER, NUMBER, MADE_AT)
        assert not [finding for finding in check_invoice(made, received=False) if finding.stops]


@given(HOSTILE_NUMBERS, HOSTILE_NUMBERS, HOSTILE_NUMBERS, st.text(max_size=12), st.booleans())
@settings(max_examples=200)
def test_no_file_makes_the_rules_fail(
    one: Decimal | None, two: Decimal | None, three: Decimal | None, text: str, received: bool
) -> None:
    hostile = replace(
        INVOICE.lines[0], amount=one or D(1), tax=two, tax_rate=three, quantity=one, unit_price=two, rate_text=text
    )
    check_invoice(
        invoice(
            lines=(hostile, hostile),
            amount=one or D(0),
            tax=two,
            total=three or D(0),
            number=text,
            issued_at=text,
            total_in_words=text,
        ),
        received=received,
    )


def test_five_thousand_lines_that_may_not_mix_are_judged_in_time() -> None:
    mixed = tuple(
        replace(ZERO, policy="04", tax_code=f"6130{index:015d}")
        if index % 2
        else replace(LINE, tax_code=f"3{index:018d}")
        for index in range(5000)
    )
    found = codes(replace(DRAFT, lines=mixed))
    assert len([code for code, _ in found if code == "KP-RULE-POLICY-03"]) == 2500


def test_the_seller_of_the_draft_is_checked_like_any_number() -> None:
    draft = replace(DRAFT, seller_tax_number="91440000000000000X")
    assert codes(draft) == [("KP-RULE-PARTY-01", "seller_tax_number"), ("KP-RULE-PARTY-02", "seller_tax_number")]
    assert codes(replace(DRAFT, seller_tax_number=SELLER_NUMBER)) == []
