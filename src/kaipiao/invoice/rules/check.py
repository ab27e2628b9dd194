"""All rules on a draft, or on a complete invoice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from kaipiao.invoice.amounts import full_name
from kaipiao.invoice.model import Draft, DraftLine, Invoice, Kind, Line, Seller
from kaipiao.invoice.money import is_sound, product
from kaipiao.invoice.rules import arithmetic, elements, header, lines, numbers, parties, rates, texts
from kaipiao.invoice.rules.rule import Finding, Findings, Rule, Verdict
from kaipiao.invoice.tables import tables


def all_rules() -> tuple[Rule, ...]:
    """Every rule, by code."""
    groups = (header, elements, parties, texts, numbers, lines, rates, arithmetic)
    return tuple(sorted((rule for group in groups for rule in group.RULES), key=lambda rule: rule.code))


def worst(findings: Iterable[Finding]) -> Verdict:
    """What findings come to: INVALID if one of them stops, else NOT_JUDGED if one could not be decided, else VALID."""
    verdict = Verdict.VALID
    for finding in findings:
        if finding.stops:
            return Verdict.INVALID
        if finding.verdict is Verdict.NOT_JUDGED:
            verdict = Verdict.NOT_JUDGED
    return verdict


def check_draft(draft: Draft, seller: Seller, on: date) -> tuple[Finding, ...]:
    """May this be issued by `seller` on that day (Asia/Shanghai)? Never raises for what is in the draft.

    Shape and sums of lines are judged only when all their numbers can be used.
    """
    findings = Findings(received=False)
    header.check_draft_header(findings, draft, seller)
    if draft.seller_tax_number != seller.party.tax_number:
        findings.add(parties.OTHER_SELLER, "seller_tax_number")
    parties.check_number(findings, "seller_tax_number", draft.seller_tax_number)
    parties.check_buyer(findings, draft.buyer, draft.kind)
    texts.check_remark(findings, draft.remark, tables().limits.lengths.remark)
    elements.check_elements(findings, draft.special)
    if _check_draft_lines(findings, draft, seller, on):
        arithmetic.check_draft_sums(findings, draft)
    return findings.all()


def _check_draft_lines(findings: Findings, draft: Draft, seller: Seller, on: date) -> bool:
    """True when the sums can be computed."""
    count = len(draft.lines) + sum(line.discount is not None for line in draft.lines)
    if not lines.check_count(findings, count):
        return False
    usable = [
        _check_draft_line(findings, f"lines[{index}]", line, draft.kind, seller.taxpayer_type, on)
        for index, line in enumerate(draft.lines)
    ]
    rates.check_mixing(findings, draft.lines)
    if not numbers.check_money(findings, "expected_total", draft.expected_total) or not all(usable):
        return False
    for index in range(len(draft.lines)):
        lines.check_draft_line_shape(findings, f"lines[{index}]", draft, index)
    return True


def _check_draft_line(findings: Findings, path: str, line: DraftLine, kind: Kind, taxpayer: str, on: date) -> bool:
    """True when every number of the line can be used."""
    lines.check_line_texts(findings, path, line, full_name(line))
    rates.check_policy(findings, path, line)
    rate = rates.check_rate(findings, path, line, line.tax_rate, taxpayer=taxpayer, on=on)
    if rate and not line.tax_rate:
        rates.check_untaxed(findings, path, line, kind)
    amount = numbers.check_money(findings, f"{path}.amount", line.amount)
    tax = numbers.check_money(findings, f"{path}.tax", line.tax)
    discount = numbers.check_money(findings, f"{path}.discount", line.discount)
    price = numbers.check_price(findings, f"{path}.unit_price", line.unit_price)
    quantity = numbers.check_quantity(findings, f"{path}.quantity", line.quantity)
    return rate and amount and tax and discount and price and quantity and _has_amount(findings, path, line)


def _has_amount(findings: Findings, path: str, line: DraftLine) -> bool:
    if line.amount is not None:
        return True
    if line.unit_price is None or line.quantity is None:
        findings.add(lines.AMOUNT_NEEDED, f"{path}.amount")
        return False
    if not is_sound(product(line.unit_price, line.quantity)):
        findings.add(numbers.UNSOUND, f"{path}.amount")
        return False
    return True


def check_invoice(invoice: Invoice, *, received: bool) -> tuple[Finding, ...]:
    """Does a complete invoice hold together? `received`: judged as a file that somebody sent us; otherwise as one that
    shall be issued. Never raises for what is in the invoice."""
    findings = Findings(received=received)
    totals = _check_total_numbers(findings, invoice)
    header.check_invoice_number(findings, invoice)
    header.check_invoice_kind(findings, invoice)
    if totals:
        header.check_colour(findings, invoice)
    parties.check_number(findings, "seller.tax_number", invoice.seller.tax_number)
    parties.check_party_texts(findings, "seller", invoice.seller)
    parties.check_buyer(findings, invoice.buyer, invoice.kind)
    texts.check_remark(findings, invoice.remark, tables().limits.lengths.remark)
    elements.check_elements(findings, invoice.special)
    if _check_invoice_lines(findings, invoice) and totals:
        lines.check_invoice_discounts(findings, invoice)
        arithmetic.check_invoice_sums(findings, invoice)
    return findings.all()


def _check_total_numbers(findings: Findings, invoice: Invoice) -> bool:
    return all(
        [
            numbers.check_money(findings, "amount", invoice.amount),
            numbers.check_money(findings, "tax", invoice.tax),
            numbers.check_money(findings, "total", invoice.total),
        ]
    )


def _check_invoice_lines(findings: Findings, invoice: Invoice) -> bool:
    """True when the sums can be judged."""
    if not lines.check_count(findings, len(invoice.lines)):
        return False
    on = header.issue_day(findings, invoice)
    usable = [
        _check_invoice_line(findings, f"lines[{index}]", line, invoice, on) for index, line in enumerate(invoice.lines)
    ]
    return all(usable)


def _check_invoice_line(findings: Findings, path: str, line: Line, invoice: Invoice, on: date | None) -> bool:
    """True when every number of the line can be used."""
    lines.check_line_texts(findings, path, line, line.name)
    usable = [
        rates.check_invoice_rate(findings, path, line, invoice, on),
        numbers.check_money(findings, f"{path}.amount", line.amount),
        numbers.check_money(findings, f"{path}.tax", line.tax),
        numbers.check_money(findings, f"{path}.amount_with_tax", line.amount_with_tax),
        numbers.check_price(findings, f"{path}.unit_price", line.unit_price),
        numbers.check_quantity(findings, f"{path}.quantity", line.quantity),
    ]
    return all(usable)
