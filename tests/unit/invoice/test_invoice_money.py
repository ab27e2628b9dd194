"""Money: rounding, tax both ways, and numbers that no invoice may carry."""

from __future__ import annotations

from decimal import Decimal, getcontext, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invoice_examples import RATES, money

from kaipiao.errors import Malformed
from kaipiao.invoice.money import (
    is_sound,
    is_whole_cents,
    minus,
    plain,
    price_of,
    product,
    rounded,
    tax_on,
    tax_within,
    total_of,
    within,
)

HOSTILE = ["NaN", "sNaN", "-NaN123", "Infinity", "-Infinity", "1e400", "1e-400", "-1E+999999", "0e-999999", "1" * 60]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_number_that_no_invoice_carries_is_refused_before_anything_is_computed(text: str) -> None:
    value = Decimal(text)
    assert not is_sound(value)
    for compute in (rounded, plain):
        with pytest.raises(Malformed):
            compute(value)
    with pytest.raises(Malformed):
        tax_on(value, Decimal("0.13"))
    with pytest.raises(Malformed):
        tax_within(Decimal(1), value)


@pytest.mark.parametrize(
    ("value", "cents"),
    [("0.005", "0.01"), ("0.0049999", "0.00"), ("-0.005", "-0.01"), ("2.675", "2.68"), ("-0.0", "0.00"), ("7", "7.00")],
)
def test_half_a_cent_goes_away_from_zero_and_zero_is_never_negative(value: str, cents: str) -> None:
    assert str(rounded(Decimal(value))) == cents


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2.00", "2"),
        ("2", "2"),
        ("-0.00", "0"),
        ("1E+3", "1000"),
        ("0.0600", "0.06"),
        ("1E-8", "0.00000001"),
        ("100", "100"),
    ],
)
def test_equal_values_have_one_text(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


def test_tax_of_real_lines() -> None:
    """Lines of real invoices (business rule 4.5): without tax, and a round price with tax at 1 %."""
    assert tax_on(Decimal("39.35"), Decimal("0.03")) == Decimal("1.18")
    assert tax_on(Decimal("-0.96"), Decimal("0.030000")) == Decimal("-0.03")
    assert tax_within(Decimal("16000"), Decimal("0.01")) == Decimal("158.42")


@given(money("0", "9999999999999999.99"), RATES)
def test_tax_inside_a_price_is_the_tax_of_the_rest_within_a_cent(with_tax: Decimal, rate: Decimal) -> None:
    tax = tax_within(with_tax, rate)
    assert within(product(minus(with_tax, tax), rate), tax, Decimal("0.006"))


@given(money("-99999999.99", "99999999.99"), RATES)
def test_a_negative_amount_has_exactly_the_opposite_tax(amount: Decimal, rate: Decimal) -> None:
    assert tax_on(-amount, rate) == -tax_on(amount, rate)
    assert tax_within(-amount, rate) == -tax_within(amount, rate)


@given(st.lists(money("-9999999999999999.99", "9999999999999999.99"), max_size=30))
def test_a_sum_is_exact_whatever_the_threads_precision_is(values: list[Decimal]) -> None:
    with localcontext() as context:
        context.prec = 3
        total = total_of(values)
    assert int(total.scaleb(2)) == sum(int(value.scaleb(2)) for value in values)


def test_the_threads_rounding_does_not_reach_our_arithmetic() -> None:
    with localcontext() as context:
        context.prec, context.rounding = 2, "ROUND_DOWN"
        assert rounded(Decimal("12345.675")) == Decimal("12345.68")
        assert product(Decimal("12345.67"), Decimal("0.13")) == Decimal("1604.9371")
    assert getcontext().prec == 28


@given(money("0.01", "99999999.99"), st.decimals("0.001", "99999", places=3))
def test_a_price_keeps_to_its_length_and_gives_the_amount_again(amount: Decimal, quantity: Decimal) -> None:
    price = price_of(amount, quantity, characters=16, decimals=13)
    text = plain(price)
    assert len(text) <= 16
    assert len(text.partition(".")[2]) <= 13
    if price < 10**6:
        assert within(product(price, quantity), amount, Decimal("0.01"))


def test_whole_cents_are_judged_by_value() -> None:
    assert is_whole_cents(Decimal("0.120000"))
    assert not is_whole_cents(Decimal("0.121"))
