"""From a draft to the complete invoice, and from an invoice that was read to a draft of a new one.

`complete` computes; it does not judge. What it makes of a draft that `rules.check_draft` lets pass holds every tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from kaipiao.clock import SHANGHAI
from kaipiao.errors import RulesBroken
from kaipiao.invoice.amounts import Figures, discount_of, figures_of, full_name
from kaipiao.invoice.model import Draft, DraftLine, Invoice, Label, Line, LineNature, Party, Seller
from kaipiao.invoice.money import plain, rounded, total_of
from kaipiao.invoice.rules import check_invoice
from kaipiao.invoice.tables import Policy, tables
from kaipiao.invoice.words import to_words

VERSION = "0.35"
NATURAL_PERSON = "（个人）"
_Part = tuple[DraftLine, Figures, LineNature, Policy | None]


def complete(draft: Draft, seller: Seller, number: str, made_at: datetime) -> Invoice:
    """The invoice of a checked draft, ready to be frozen. `made_at` is aware; dates on it are Asia/Shanghai."""
    parts = tuple(_parts(draft))
    lines = tuple(_line(*part) for part in parts)
    amount, tax, total = _totals(parts)
    made = made_at.astimezone(SHANGHAI).isoformat(" ", "seconds")[:19]
    return Invoice(
        number=number,
        kind=draft.kind,
        blue=True,
        seller=seller.party,
        buyer=_named(draft.buyer),
        lines=lines,
        amount=amount,
        tax=tax,
        total=total,
        total_in_words=to_words(total),
        drawer=draft.drawer or seller.drawer,
        requested_at=made,
        issued_at=made[:10],
        bureau_code=seller.bureau_code,
        bureau_name=seller.bureau_name,
        version=VERSION,
        tag=seller.tag,
        medium=tables().medium,
        taxpayer_type=Label(seller.taxpayer_type, tables().taxpayers.get(seller.taxpayer_type)),
        labels=_labels(draft),
        remark=draft.remark,
        special=draft.special,
    )


def totals(draft: Draft) -> tuple[Decimal, Decimal, Decimal]:
    """Amount, tax and total of the invoice that `complete` makes of it."""
    return _totals(tuple(_parts(draft)))


def _totals(parts: Sequence[_Part]) -> tuple[Decimal, Decimal, Decimal]:
    amount = total_of(figures.amount for _, figures, _, _ in parts)
    tax = total_of(figures.tax for _, figures, _, policy in parts if not _prints_texts(policy))
    return amount, tax, total_of((amount, tax))


def _named(buyer: Party) -> Party:
    if not buyer.natural_person or buyer.name.endswith(NATURAL_PERSON):
        return buyer
    return replace(buyer, name=buyer.name + NATURAL_PERSON)


def _labels(draft: Draft) -> tuple[Label, ...]:
    not_taxable = any(line.policy == "04" for line in draft.lines)
    return (tables().way, tables().not_taxable) if not_taxable else (tables().way,)


def _parts(draft: Draft) -> Iterator[_Part]:
    """The lines of the invoice to be."""
    policies = tables().policies
    for index, line in enumerate(draft.lines):
        policy = policies.get(line.policy) if line.policy is not None else None
        following = draft.lines[index + 1 : index + 2]
        nature = line.nature
        if line.discount is not None or (following and following[0].nature is LineNature.DISCOUNT):
            nature = LineNature.DISCOUNTED
        yield line, figures_of(line, tax_included=draft.tax_included), nature, policy
        discount = discount_of(line, tax_included=draft.tax_included)
        if discount is not None:
            yield replace(line, specification=None, unit=None, quantity=None), discount, LineNature.DISCOUNT, policy


def _prints_texts(policy: Policy | None) -> bool:
    """Whether rate and tax are words ("免税")."""
    return policy is not None and policy.prints_rate is not None


def _line(line: DraftLine, figures: Figures, nature: LineNature, policy: Policy | None) -> Line:
    texts = _prints_texts(policy)
    return Line(
        name=full_name(line),
        amount=figures.amount,
        tax_rate=None if texts else Decimal(plain(line.tax_rate)),
        tax=None if texts else figures.tax,
        tax_code=line.tax_code,
        specification=line.specification,
        unit=line.unit,
        quantity=line.quantity,
        unit_price=figures.unit_price,
        amount_with_tax=figures.with_tax,
        rate_text=policy.prints_rate if policy else None,
        tax_text=policy.prints_tax if policy else None,
        nature=nature,
        policy=line.policy,
    )


def draft_from_invoice(invoice: Invoice, order: str) -> Draft:
    """A draft that issues the same sale anew. Discount lines stay lines of their own; "免税" and "不征税" become the
    policies 03 and 04; the total that was read must come out again.

    Raises `RulesBroken`, with every finding that stops issuing, for what no draft can say: a red invoice, an unknown kind,
    a line whose rate is "***".
    """
    if invoice.kind is None or invoice.blue is False or not all(map(_has_rate, invoice.lines)):
        raise RulesBroken(
            findings=tuple(finding for finding in check_invoice(invoice, received=False) if finding.stops)
        )
    return Draft(
        order=order,
        seller_tax_number=invoice.seller.tax_number or "",
        kind=invoice.kind,
        buyer=_unnamed(invoice.buyer),
        lines=tuple(_draft_lines(invoice)),
        remark=invoice.remark,
        drawer=invoice.drawer,
        special=invoice.special,
        expected_total=rounded(invoice.total),
    )


def _has_rate(line: Line) -> bool:
    return line.tax_rate is not None or line.rate_text in _policies_by_text()


def _policies_by_text() -> dict[str, str]:
    return {policy.prints_rate: policy.code for policy in tables().policies.values() if policy.prints_rate}


def _unnamed(buyer: Party) -> Party:
    if not buyer.name.endswith(NATURAL_PERSON):
        return buyer
    return replace(buyer, name=buyer.name.removesuffix(NATURAL_PERSON), natural_person=True)


def _draft_lines(invoice: Invoice) -> Iterator[DraftLine]:
    by_text = _policies_by_text()
    for index, line in enumerate(invoice.lines):
        following = invoice.lines[index + 1 : index + 2]
        discounted = bool(following) and following[0].amount < 0
        nature = LineNature.DISCOUNTED if discounted else LineNature.NORMAL
        yield DraftLine(
            name=line.name,
            tax_code=line.tax_code,
            tax_rate=line.tax_rate if line.tax_rate is not None else Decimal(0),
            amount=line.amount,
            tax=None if line.tax is None else rounded(line.tax),
            quantity=line.quantity,
            unit_price=line.unit_price,
            unit=line.unit,
            specification=line.specification,
            nature=LineNature.DISCOUNT if line.amount < 0 else nature,
            policy=by_text.get(line.rate_text or "", line.policy),
        )
