"""The 20-digit number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.errors import Malformed, TooLarge
from kaipiao.invoice.number import InvoiceNumber, compose, is_number, number_range, parse


@given(st.integers(2021, 2099), st.sampled_from(["11", "44", "95"]), st.sampled_from("279"), st.integers(0, 10**15 - 1))
def test_a_number_comes_apart_and_together_again(year: int, region: str, channel: str, sequence: int) -> None:
    text = compose(year, region, channel, sequence)
    assert parse(text) == InvoiceNumber(year, region, channel, sequence)
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "2" * 19, "2" * 21, "2611700000000000000x", "２６117000000000000001", "-6117000000000000001"]
)
def test_other_texts_are_no_number(text: str) -> None:
    assert not is_number(text)
    with pytest.raises(Malformed):
        parse(text)


@pytest.mark.parametrize(
    ("year", "region", "channel", "sequence"),
    [(1999, "11", "7", 1), (2100, "11", "7", 1), (2026, "1", "7", 1), (2026, "11", "", 1), (2026, "1a", "7", 1),
     (2026, "11", "7", -1), (2026, "11", "7", 10**15), (2026, "117", "", 1)],
)  # fmt: skip
def test_parts_that_do_not_fit_make_no_number(year: int, region: str, channel: str, sequence: int) -> None:
    with pytest.raises(Malformed):
        compose(year, region, channel, sequence)


def test_a_range_has_both_ends_and_every_number_between() -> None:
    assert number_range("26117000000000000009", "26117000000000000011") == [
        "26117000000000000009",
        "26117000000000000010",
        "26117000000000000011",
    ]
    assert number_range("26117000000000000009", "26117000000000000009") == ["26117000000000000009"]


@pytest.mark.parametrize(
    ("first", "last"),
    [("26117000000000000002", "26117000000000000001"), ("26117000000000000001", "26112000000000000002"),
     ("25117000000000000001", "26117000000000000002"), ("26117000000000000001", "x")],
)  # fmt: skip
def test_ends_that_do_not_belong_together_are_refused(first: str, last: str) -> None:
    with pytest.raises(Malformed):
        number_range(first, last)


def test_a_range_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(TooLarge):
        number_range("26117000000000000000", "26117999999999999999")
