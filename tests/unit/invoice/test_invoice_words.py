"""Amounts in capitals, both ways."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invoice_examples import money

from kaipiao.errors import Malformed
from kaipiao.invoice.words import from_words, to_words

WRITTEN = [
    ("4449.00", "肆仟肆佰肆拾玖圆整"),
    ("2.12", "贰圆壹角贰分"),
    ("-500", "（负数）伍佰圆整"),
    ("16000", "壹万陆仟圆整"),
    ("0", "零圆整"),
    ("-0.00", "零圆整"),
    ("0.05", "伍分"),
    ("0.50", "伍角整"),
    ("1.05", "壹圆零伍分"),
    ("10", "壹拾圆整"),
    ("100000", "壹拾万圆整"),
    ("10001", "壹万零壹圆整"),
    ("101000", "壹拾万壹仟圆整"),
    ("100000001", "壹亿零壹圆整"),
    ("1000000000000", "壹万亿圆整"),
    ("1001000000100.01", "壹万零壹拾亿零壹佰圆零壹分"),
    ("9999999999999999.99", "玖仟玖佰玖拾玖万玖仟玖佰玖拾玖亿玖仟玖佰玖拾玖万玖仟玖佰玖拾玖圆玖角玖分"),
]


@pytest.mark.parametrize(("amount", "words"), WRITTEN)
def test_what_we_write(amount: str, words: str) -> None:
    assert to_words(Decimal(amount)) == words


@given(money("-9999999999999999.99", "9999999999999999.99"))
def test_every_amount_comes_back(amount: Decimal) -> None:
    assert from_words(to_words(amount)) == amount


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        ("叁拾玖元伍角肆分", "39.54"),
        ("伍佰元", "500"),
        ("伍圆零角零分", "5"),
        ("零圆零角零分", "0"),
        ("零角伍分", "0.05"),
        ("伍圆零角伍分", "5.05"),
        ("伍圆零伍角整", "5.50"),
        ("拾圆整", "10"),
        ("壹拾圆零伍角", "10.5"),
        ("壹亿零壹拾万圆正", "100100000"),
        ("负伍佰圆整", "-500"),
        ("(负数)伍佰元整", "-500"),
        ("（负）壹分", "-0.01"),
        ("（负数）零圆整", "0"),
        (" 贰圆整 ", "2"),
    ],
)
def test_what_others_write_is_read(words: str, amount: str) -> None:
    assert from_words(words) == Decimal(amount)


@pytest.mark.parametrize(
    "words",
    ["", "整", "圆整", "伍", "伍佰", "500元", "壹亿亿圆", "壹万贰万圆", "万圆整", "伍角肆角", "伍分肆角", "伍圆伍", "佰圆整",
     "伍圆整整", "负", "（负数）", "五百元整", "壹贰圆整", "零" * 79 + "圆", "伍" * 10_000, "壹圆\n整", "NaN"],
)  # fmt: skip
def test_what_is_no_amount_is_refused(words: str) -> None:
    with pytest.raises(Malformed):
        from_words(words)


@given(st.text(alphabet="零壹贰玖拾佰仟万亿圆元角分整负（）", max_size=90))
def test_any_mixture_of_these_characters_is_read_or_refused(words: str) -> None:
    try:
        amount = from_words(words)
    except Malformed:
        return
    assert from_words(to_words(amount)) == amount


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e400", "0.001", "10000000000000000", "-1e16"])
def test_an_amount_without_capitals_is_refused(amount: str) -> None:
    with pytest.raises(Malformed):
        to_words(Decimal(amount))
