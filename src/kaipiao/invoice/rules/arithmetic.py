"""Do the figures agree with each other? Tolerances are data (business rule 4.5)."""

from __future__ import annotations

from decimal import Decimal

from kaipiao.errors import Malformed
from kaipiao.invoice.amounts import Figures, discount_of, figures_of
from kaipiao.invoice.model import Draft, DraftLine, Invoice, Line
from kaipiao.invoice.money import ZERO, is_sound, product, rounded, total_of, within
from kaipiao.invoice.rules.numbers import TOO_MANY_DIGITS
from kaipiao.invoice.rules.rule import Findings, Received, Rule
from kaipiao.invoice.tables import tables
from kaipiao.invoice.words import from_words
from kaipiao.language import Text

LINE_AMOUNT = Rule(
    "KP-RULE-SUM-01",
    "lines[].amount",
    Text(
        "单价×数量={expected}，与金额相差超过{tolerance}",
        "Price × quantity is {expected}; the amount differs by more than {tolerance}",
    ),
    "乐企开票能力说明文档（基础版）校验规则",
    received=Received.INVALID,
)
LINE_TAX = Rule(
    "KP-RULE-SUM-02",
    "lines[].tax",
    Text(
        "金额×税率={expected}，与税额相差超过{tolerance}",
        "Amount × rate is {expected}; the tax differs by more than {tolerance}",
    ),
    "乐企开票能力说明文档（基础版）校验规则",
    received=Received.INVALID,
)
SUM_AMOUNT = Rule(
    "KP-RULE-SUM-03",
    "amount",
    Text(
        "各行金额合计={expected}，与合计金额相差超过{tolerance}",
        "The lines add up to {expected}; the total amount differs by more than {tolerance}",
    ),
    "乐企开票能力说明文档（基础版）校验规则",
    received=Received.INVALID,
)
SUM_TAX = Rule(
    "KP-RULE-SUM-04",
    "tax",
    Text(
        "各行金额×税率合计={expected}，与合计税额相差超过{tolerance}",
        "Amount × rate of all lines is {expected}; the total tax differs by more than {tolerance}",
    ),
    "乐企开票能力说明文档（基础版）校验规则",
    received=Received.INVALID,
)
TOTAL = Rule(
    "KP-RULE-SUM-05",
    "total",
    Text("价税合计应为{expected}（合计金额＋合计税额）", "The total is amount plus tax: {expected}"),
    "数电票 XML（版式说明 V5.002）; 乐企开票能力说明文档（基础版）校验规则",
    received=Received.INVALID,
)
WORDS = Rule(
    "KP-RULE-SUM-06",
    "total_in_words",
    Text("大写金额与价税合计不一致", "The amount in capitals is not the total"),
    "数电票 XML（版式说明 V5.002）",
    received=Received.INVALID,
)
EXPECTED_TOTAL = Rule(
    "KP-RULE-SUM-07",
    "expected_total",
    Text("计算得到的价税合计为{computed}，与预期不同", "The computed total is {computed}, not what was expected"),
    "own: the caller counts on this total",
    received=Received.UNASKED,
)
LINE_TOTAL = Rule(
    "KP-RULE-SUM-08",
    "lines[].amount_with_tax",
    Text("含税金额应为{expected}（金额＋税额）", "The amount with tax is amount plus tax: {expected}"),
    "乐企开票能力说明文档（基础版）校验规则",
)
PRICE_INEXACT = Rule(
    "KP-RULE-SUM-09",
    "lines[].unit_price",
    Text(
        "不含税单价在允许的长度内无法精确到金额，请改用不含税金额，或不填单价和数量",
        "No price without tax of the allowed length gives the amount: send amounts without tax, or no price and quantity",
    ),
    "乐企开票能力说明文档（基础版）校验规则; 税局退回实例 / refused by the bureau",
    received=Received.UNASKED,
)
RULES = (
    LINE_AMOUNT,
    LINE_TAX,
    SUM_AMOUNT,
    SUM_TAX,
    TOTAL,
    WORDS,
    EXPECTED_TOTAL,
    LINE_TOTAL,
    PRICE_INEXACT,
)


def check_draft_sums(findings: Findings, draft: Draft) -> None:
    """The figures that a draft comes to. Every number in it is sound."""
    parts: list[tuple[Figures, Decimal]] = []
    for index, line in enumerate(draft.lines):
        figures = figures_of(line, tax_included=draft.tax_included)
        _check_draft_line(findings, f"lines[{index}]", line, figures)
        parts.append((figures, line.tax_rate))
        if (discount := discount_of(line, tax_included=draft.tax_included)) is not None:
            parts.append((discount, line.tax_rate))
    _check_tax_sum(
        findings,
        total_of(product(part.amount, rate) for part, rate in parts),
        total_of(part.tax for part, _ in parts),
    )
    _check_draft_total(findings, draft, total_of(part.with_tax for part, _ in parts))


def _check_draft_total(findings: Findings, draft: Draft, total: Decimal) -> None:
    digits = tables().limits.counts.money_digits
    if total.adjusted() >= digits:
        findings.add(TOO_MANY_DIGITS, "total", limit=digits)
    if draft.expected_total is not None and draft.expected_total != total:
        findings.add(EXPECTED_TOTAL, "expected_total", computed=total)


def _check_draft_line(findings: Findings, path: str, line: DraftLine, figures: Figures) -> None:
    tolerance = tables().limits.tolerances.line_amount
    if line.tax is not None:
        _check_line_tax(findings, path, figures.amount, line.tax_rate, figures.tax)
    if line.unit_price is None or line.quantity is None:
        return
    _check_line_amount(findings, path, line.unit_price, line.quantity, line.amount)
    converted = figures.unit_price is not line.unit_price and figures.unit_price is not None
    if converted and not within(product(figures.unit_price or ZERO, line.quantity), figures.amount, tolerance):
        findings.add(PRICE_INEXACT, f"{path}.unit_price")


def check_invoice_sums(findings: Findings, invoice: Invoice) -> None:
    """The figures of a complete invoice. Every number in it is sound."""
    tolerance = tables().limits.tolerances.sum_amount
    for index, line in enumerate(invoice.lines):
        _check_invoice_line(findings, f"lines[{index}]", line)
    amount = total_of(line.amount for line in invoice.lines)
    if not within(amount, invoice.amount, tolerance):
        findings.add(SUM_AMOUNT, "amount", expected=amount, tolerance=tolerance)
    _check_totals(findings, invoice)
    _check_words(findings, invoice)


def _check_invoice_line(findings: Findings, path: str, line: Line) -> None:
    if line.unit_price is not None and line.quantity is not None:
        _check_line_amount(findings, path, line.unit_price, line.quantity, line.amount)
    if line.tax_rate is not None and line.tax is not None:
        _check_line_tax(findings, path, line.amount, line.tax_rate, line.tax)
    with_tax = total_of((line.amount, line.tax or ZERO))
    if line.amount_with_tax is not None and line.amount_with_tax != with_tax:
        findings.add(LINE_TOTAL, f"{path}.amount_with_tax", expected=with_tax)


def _check_totals(findings: Findings, invoice: Invoice) -> None:
    if invoice.tax is None:
        findings.unjudged(TOTAL, "tax", expected=invoice.amount)
        return
    if all(line.tax_rate is not None or not line.tax for line in invoice.lines):
        products = (product(line.amount, line.tax_rate) for line in invoice.lines if line.tax_rate is not None)
        _check_tax_sum(findings, total_of(products), invoice.tax)
    expected = total_of((invoice.amount, invoice.tax))
    if invoice.total != expected:
        findings.add(TOTAL, "total", expected=expected)


def _check_words(findings: Findings, invoice: Invoice) -> None:
    try:
        amount = from_words(invoice.total_in_words)
    except Malformed:
        findings.unjudged(WORDS, "total_in_words")
        return
    if amount != invoice.total:
        findings.add(WORDS, "total_in_words")


def _check_line_amount(
    findings: Findings, path: str, price: Decimal, quantity: Decimal, amount: Decimal | None
) -> None:
    expected, tolerance = product(price, quantity), tables().limits.tolerances.line_amount
    if amount is not None and not within(expected, amount, tolerance):
        findings.add(LINE_AMOUNT, f"{path}.amount", expected=_shown(expected), tolerance=tolerance)


def _check_line_tax(findings: Findings, path: str, amount: Decimal, rate: Decimal, tax: Decimal) -> None:
    expected, tolerance = product(amount, rate), tables().limits.tolerances.line_tax
    if not within(expected, tax, tolerance):
        findings.add(LINE_TAX, f"{path}.tax", expected=_shown(expected), tolerance=tolerance)


def _check_tax_sum(findings: Findings, exact: Decimal, tax: Decimal) -> None:
    tolerance = tables().limits.tolerances.sum_tax
    if not within(exact, tax, tolerance):
        findings.add(SUM_TAX, "tax", expected=_shown(exact), tolerance=tolerance)


def _shown(value: Decimal) -> Decimal:
    """A computed value for a message: in cents, if it is of a size that has any."""
    return rounded(value) if is_sound(value) else value.normalize()
