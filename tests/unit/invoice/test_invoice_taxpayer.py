"""Taxpayer numbers and bureaus."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.errors import Malformed
from kaipiao.invoice.taxpayer import (
    ALPHABET,
    TaxNumber,
    bureau_of,
    check_tax_number,
    is_identity_number,
    with_check_digit,
)


def test_published_codes_pass() -> None:
    """Codes of public bodies, as they print them themselves."""
    for code in ("91110000600037341L", "91330106MA7GAL1299"):
        assert check_tax_number(code) is TaxNumber.SOUND


@given(st.text(alphabet=ALPHABET, min_size=17, max_size=17), st.integers(0, 16), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_noticed(first17: str, place: int, other: str) -> None:
    code = with_check_digit(first17)
    assert check_tax_number(code) is TaxNumber.SOUND
    if code[place] != other:
        wrong = code[:place] + other + code[place + 1 :]
        assert check_tax_number(wrong) is TaxNumber.WRONG_CHECK_DIGIT


@pytest.mark.parametrize(
    ("text", "judgement"),
    [
        ("91440000000000000X", TaxNumber.WRONG_CHECK_DIGIT),
        ("012345678901234567", TaxNumber.WRONG_CHECK_DIGIT),
        ("91IOSVZ00000000000", TaxNumber.WRONG_CHECK_DIGIT),
        ("110105123456789", TaxNumber.UNUSUAL),
        ("11010519491231002X01", TaxNumber.UNUSUAL),
        ("91xxxxxxxxxxxxxxxx3", TaxNumber.WRONG_CHARACTERS),
        ("９１１１０１０８３３９８０５０９４", TaxNumber.WRONG_CHARACTERS),
        ("9111010833980509 M", TaxNumber.WRONG_CHARACTERS),
        ("", TaxNumber.WRONG_LENGTH),
        ("1" * 14, TaxNumber.WRONG_LENGTH),
        ("1" * 21, TaxNumber.WRONG_LENGTH),
        ("1" * 1_000_000, TaxNumber.WRONG_LENGTH),
    ],
)
def test_other_texts_are_judged_by_what_is_wrong(text: str, judgement: TaxNumber) -> None:
    assert check_tax_number(text) is judgement


@pytest.mark.parametrize("first17", ["", "9" * 16, "9" * 18, "9144030000000000I", "9144030000000000０"])
def test_only_seventeen_characters_of_the_alphabet_get_a_check_digit(first17: str) -> None:
    with pytest.raises(Malformed):
        with_check_digit(first17)


def test_an_identity_number_is_known_by_its_own_check_digit() -> None:
    assert is_identity_number("11010519491231002X")  # the example of GB 11643-1999
    assert not is_identity_number("110105194912310021")
    assert not is_identity_number("1101051949123100")


@pytest.mark.parametrize(
    ("region", "tag", "code", "name"),
    [
        ("11", "SWEI1100", "11100000000", "国家税务总局北京市税务局"),
        ("32", "SWEI3200", "13200000000", "国家税务总局江苏省税务局"),
        ("44", "SWEI4400", "14400000000", "国家税务总局广东省税务局"),
        ("65", "SWEI6500", "16500000000", "国家税务总局新疆维吾尔自治区税务局"),
        ("95", "SWEI4403", "14403000000", "国家税务总局深圳市税务局"),
        ("91", "SWEI2102", "12102000000", "国家税务总局大连市税务局"),
        ("92", "SWEI3702", "13702000000", "国家税务总局青岛市税务局"),
        ("93", "SWEI3302", "13302000000", "国家税务总局宁波市税务局"),
        ("94", "SWEI3502", "13502000000", "国家税务总局厦门市税务局"),
    ],
)
def test_a_region_has_its_bureau(region: str, tag: str, code: str, name: str) -> None:
    bureau = bureau_of(region)
    assert (bureau.tag, bureau.code, bureau.name) == (tag, code, name)


@pytest.mark.parametrize("region", ["", "00", "99", "4403", "１１"])
def test_an_unknown_region_is_refused(region: str) -> None:
    with pytest.raises(Malformed):
        bureau_of(region)
