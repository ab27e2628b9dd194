"""What one drafted line comes to: from with-tax or without-tax input to amount, tax and unit price (business rule 4.5); its name."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from kaipiao.errors import Malformed
from kaipiao.invoice.model import DraftLine, Line
from kaipiao.invoice.money import ZERO, minus, price_of, product, rounded, sound, tax_on, tax_within, total_of
from kaipiao.invoice.tables import tables
from kaipiao.language import Text


@dataclass(frozen=True, slots=True)
class Figures:
    """CNY, two decimals. `amount` and `unit_price` are without tax; `with_tax` = `amount` + `tax`, exactly."""

    amount: Decimal
    tax: Decimal
    with_tax: Decimal
    unit_price: Decimal | None = None


def figures_of(line: DraftLine, *, tax_included: bool) -> Figures:
    """The line itself, before its discount. Raises `Malformed` when there is neither amount nor price and quantity, or a
    number cannot be used."""
    given = given_amount(line)
    if not tax_included:
        tax = tax_on(given, line.tax_rate) if line.tax is None else rounded(line.tax)
        return Figures(given, tax, total_of((given, tax)), line.unit_price)
    tax = tax_within(given, line.tax_rate) if line.tax is None else rounded(line.tax)
    amount = minus(given, tax)
    return Figures(amount, tax, given, _price_without_tax(line, amount))


def discount_of(line: DraftLine, *, tax_included: bool) -> Figures | None:
    """The negative line that the line's `discount` becomes."""
    if line.discount is None:
        return None
    given = minus(ZERO, rounded(line.discount))
    if tax_included:
        tax = tax_within(given, line.tax_rate)
        return Figures(minus(given, tax), tax, given)
    tax = tax_on(given, line.tax_rate)
    return Figures(given, tax, total_of((given, tax)))


def given_amount(line: DraftLine) -> Decimal:
    """The line's amount in the draft's own terms (with or without tax), computed where only price and quantity are given."""
    if line.amount is not None:
        return rounded(line.amount)
    if line.unit_price is None or line.quantity is None:
        raise Malformed(Text("缺少金额，也没有单价和数量", "There is neither an amount nor price and quantity"))
    return rounded(product(sound(line.unit_price), sound(line.quantity)))


def full_name(line: DraftLine | Line) -> str:
    """`*简称*项目`, whichever way the line gives it."""
    short = line.short_name if isinstance(line, DraftLine) else None
    return line.name if short is None else f"*{short}*{line.name}"


def _price_without_tax(line: DraftLine, amount: Decimal) -> Decimal | None:
    if not line.quantity or line.unit_price is None:
        return None
    limits = tables().limits.price
    return price_of(amount, line.quantity, characters=limits.characters, decimals=limits.decimals)
