from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaipiao.authority.sandbox import envelope
from kaipiao.authority.sandbox.values import fits, number, parse_json, text, to_json
from kaipiao.errors import Malformed

KEY = bytes(range(16))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, None),
        ("", None),
        ("1.50", Decimal("1.50")),
        (7, Decimal(7)),
        (Decimal("0.06"), Decimal("0.06")),
        ("-3", Decimal(-3)),
    ],
)
def test_a_number_may_come_as_number_or_text(value: object, read: Decimal | None) -> None:
    assert number(value) == read


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "1e2",
        " 1",
        "1_0",
        "１",
        "0x1",
        "--1",
        ".5",
        "1.",
        True,
        [],
        {},
        10**30,
        Decimal("1e30"),
        Decimal("NaN"),
        1.5,
    ],
)
def test_what_is_no_plain_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"number|range"):
        number(value)


@pytest.mark.parametrize("value", [True, [], {}, 1.5])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="text"):
        text(value)


@pytest.mark.parametrize(
    ("value", "length", "fitting"),
    [
        ("9999999999999999.99", (18, 2), True),
        ("10000000000000000.00", (18, 2), False),
        ("1.001", (18, 2), False),
        ("1.500000", (18, 2), True),
        ("-0.06", (16, 6), True),
        ("5000", (8, 0), True),
        ("1.5", (8, 0), False),
    ],
)
def test_lengths_of_numbers(value: str, length: tuple[int, int], fitting: bool) -> None:
    assert fits(Decimal(value), *length) is fitting


@pytest.mark.parametrize("raw", [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b"[" * 200_000, b"1 2"])
def test_broken_json_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (json and our own texts differ)
        parse_json(raw)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_no_bytes_break_the_envelope(body: bytes) -> None:
    try:
        envelope.unwrap(KEY, body)
    except Malformed:
        return


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_goes_through_an_envelope_unchanged(value: object) -> None:
    outer = parse_json(envelope.wrap(KEY, {"v": value}))
    assert isinstance(outer, dict)
    inner = parse_json(str(outer["body"]).encode())
    assert isinstance(inner, dict)
    assert envelope.unwrap(KEY, inner["Response"]["Data"].encode()) == {"v": value}


def test_answers_carry_raw_utf8_and_exact_decimals() -> None:
    assert to_json({"a": "成功", "b": Decimal("1.50")}) == '{"a":"成功","b":"1.50"}'
