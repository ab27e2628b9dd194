"""Money: CNY with two decimals, always `Decimal`, rounded half up (away from zero), never a float.

The arithmetic runs in a context of its own, so that nothing which another library does to the thread's decimal context
can change an invoice. Source of the formulas: business rule 4.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import reduce

from kaipiao.errors import Malformed
from kaipiao.language import Text

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
ONE = Decimal(1)

# What a number may look like before anything is computed with it. Wider than every field of an invoice (18 digits with
# 2 decimals, texts of 25 characters), narrow enough that no operation can become slow or inexact.
_HIGHEST_POWER = 24
_LOWEST_POWER = -24
_LONGEST = 50

# Two sound numbers multiply exactly within 100 digits.
_EXACT = Context(prec=100, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow])


def is_sound(value: Decimal) -> bool:
    """Finite, and of a size and precision that an invoice could carry. Cheap also for 1e999999."""
    return value.is_finite() and _LOWEST_POWER <= value.adjusted() <= _HIGHEST_POWER and len(str(value)) <= _LONGEST


def sound(value: Decimal) -> Decimal:
    """The value itself. Raises `Malformed` for NaN, infinities, absurd exponents and endless digits."""
    if not is_sound(value):
        raise Malformed(
            Text("数字无法使用（非数、无穷大或超出范围）", "A number cannot be used (NaN, infinite or out of range)")
        )
    return value


def plain(value: Decimal) -> str:
    """One text for each value: no exponent, no trailing zeros, no negative zero (2.00 and 2 give "2")."""
    text = str(sound(value))
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def rounded(value: Decimal) -> Decimal:
    """Two decimals, half up; zero is never negative."""
    cents = _EXACT.quantize(sound(value), CENT)
    return cents if cents else ZERO


def is_whole_cents(value: Decimal) -> bool:
    """Has the (sound) value at most two decimals, by value: 0.120000 has."""
    return value == _EXACT.quantize(value, CENT)


def total_of(values: Iterable[Decimal]) -> Decimal:
    """The exact sum of sound numbers, with at least two decimals."""
    return reduce(_EXACT.add, values, ZERO)


def minus(one: Decimal, other: Decimal) -> Decimal:
    """The exact difference of two sound numbers."""
    return _EXACT.subtract(one, other)


def product(one: Decimal, other: Decimal) -> Decimal:
    """The exact product of two sound numbers."""
    return _EXACT.multiply(one, other)


def tax_on(amount: Decimal, rate: Decimal) -> Decimal:
    """Tax of an amount without tax: 税额 = 金额 × 税率."""
    return rounded(_EXACT.multiply(sound(amount), sound(rate)))


def tax_within(amount_with_tax: Decimal, rate: Decimal) -> Decimal:
    """Tax inside an amount with tax: 税额 = 含税金额 / (1 + 税率) × 税率. The rate is not negative."""
    share = _EXACT.multiply(sound(amount_with_tax), sound(rate))
    return _EXACT.quantize(_EXACT.divide(share, _EXACT.add(ONE, rate)), CENT) + ZERO


def price_of(amount: Decimal, quantity: Decimal, *, characters: int, decimals: int) -> Decimal:
    """Unit price of an amount, as precise as `characters` (sign and point counted) and `decimals` allow, without trailing zeros.

    `quantity` is not zero. Whether price × quantity gives the amount again is for the caller to check (a price of absurd
    size is returned as it is).
    """
    price = _EXACT.divide(sound(amount), sound(quantity))
    integers = max(1, price.adjusted() + 1) + (1 if price < 0 else 0)
    scale = max(0, min(decimals, characters - integers - 1))
    shortened = _EXACT.quantize(price, Decimal(1).scaleb(-scale))
    return Decimal(plain(shortened)) if is_sound(shortened) else shortened


def within(one: Decimal, other: Decimal, tolerance: Decimal) -> bool:
    """|one − other| ≤ tolerance, exactly."""
    return _EXACT.subtract(one, other).copy_abs() <= tolerance
