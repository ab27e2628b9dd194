"""The lines of a file, and what the file says about them without a field for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kaipiao.document.xml.block import Block, number_of
from kaipiao.invoice.model import Line, LineNature

# The policy codes that a rate text stands for (business rule 4.4, yhzcbs).
_POLICIES = {"免税": "03", "不征税": "04"}


def read_lines(blocks: Iterable[Block], blue: bool | None) -> tuple[Line, ...]:
    lines = [_line(block) for block in blocks]
    # On a red invoice every line is negative, and discounts were merged into their lines before.
    return tuple(lines if blue is False else _with_natures(lines))


def _line(block: Block) -> Line:
    rate, tax = block.text("TaxRate"), block.text("ComTaxAm")
    tax_rate, tax_amount = number_of(rate or ""), number_of(tax or "")
    return Line(
        name=block.text("ItemName") or "",
        amount=block.required_decimal("Amount"),
        tax_rate=tax_rate,
        tax=tax_amount,
        tax_code=block.text("TaxClassificationCode") or "",
        specification=block.text("SpecMod"),
        unit=block.text("MeaUnits"),
        quantity=block.decimal("Quantity"),
        unit_price=block.decimal("UnPrice"),
        amount_with_tax=block.decimal("TotaltaxIncludedAmount"),
        rate_text=rate if tax_rate is None else None,
        tax_text=tax if tax_amount is None else None,
        policy=_POLICIES.get(rate or ""),
    )


def _with_natures(lines: list[Line]) -> list[Line]:
    """A negative line without price and quantity, right after a line of the same name and code, is its discount
    (business rule 4.5); the XML has no field for it."""
    found = list(lines)
    for place in range(1, len(found)):
        line, discount = found[place - 1], found[place]
        if (
            discount.amount < 0 < line.amount
            and discount.quantity is None
            and discount.unit_price is None
            and (discount.name, discount.tax_code) == (line.name, line.tax_code)
        ):
            found[place - 1] = replace(line, nature=LineNature.DISCOUNTED)
            found[place] = replace(discount, nature=LineNature.DISCOUNT)
    return found
