"""Money, instants and texts of the ledger are exact or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.errors import BooksContradicted, Internal
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import REPLACEABLE, cents, money
from kaipiao.ledger.numbering import number_range, number_text
from kaipiao.ledger.trail import data_text, instant_of, microseconds


@given(st.integers(-(10**17), 10**17))
def test_money_goes_to_cents_and_back_unchanged(amount: int) -> None:
    assert cents(money(amount)) == amount
    assert str(money(amount))[-3] == "."


@pytest.mark.parametrize("text", ["0.001", "1E-9", "NaN", "sNaN", "Infinity", "-Infinity", "1e400", "-1e17", "9" * 30])
def test_what_is_no_amount_of_cents_is_refused(text: str) -> None:
    with pytest.raises(Internal):
        cents(Decimal(text))


@pytest.mark.parametrize(("text", "stored"), [("-0.00", 0), ("1E+2", 10000), ("0.1000", 10), ("-0.01", -1)])
def test_the_way_an_amount_is_written_does_not_matter(text: str, stored: int) -> None:
    assert cents(Decimal(text)) == stored


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_are_kept_to_the_microsecond(instant: datetime) -> None:
    assert instant_of(microseconds(instant)) == instant


def test_an_instant_is_the_same_in_every_zone_and_refused_without_one() -> None:
    local = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    assert microseconds(local) == microseconds(datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(Internal):
        microseconds(datetime(2026, 1, 1))


def test_the_data_of_an_event_has_one_text_only() -> None:
    assert data_text({"b": 1, "a": "文", "c": None, "d": True}) == '{"a":"文","b":1,"c":null,"d":true}'
    assert data_text({"a": 1, "b": 2}) == data_text({"b": 2, "a": 1})
    wrong: list[Any] = [1.0, [1], {}, b"x", Decimal(1)]
    for value in wrong:
        with pytest.raises(Internal):
            data_text({"a": value})


@given(st.integers(0, 10**20 - 5001), st.integers(1, 5000))
def test_a_range_has_as_many_numbers_as_it_says(first: int, size: int) -> None:
    assert number_range(number_text(first), number_text(first + size - 1)) == (first, size)


@pytest.mark.parametrize("text", ["", "1" * 19, "1" * 21, "1" * 19 + " ", "-" + "1" * 19, "１" * 20])
def test_a_range_of_other_texts_is_refused(text: str) -> None:
    with pytest.raises(BooksContradicted):
        number_range(text, "9" * 20)


def test_only_final_refusals_can_have_a_successor() -> None:
    assert {State.REJECTED, State.EXPIRED} == REPLACEABLE
