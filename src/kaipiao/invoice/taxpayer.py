"""Taxpayer numbers (统一社会信用代码, GB 32100-2015), and which bureau a region belongs to."""

from __future__ import annotations

import re
from enum import StrEnum

from kaipiao.errors import Malformed
from kaipiao.invoice.tables import Bureau, tables
from kaipiao.language import Text

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I, O, S, V, Z
_VALUE = {character: value for value, character in enumerate(ALPHABET)}
_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ALLOWED = re.compile(r"[0-9A-Z]+")

_IDENTITY = re.compile(r"[0-9]{17}[0-9X]")  # GB 11643-1999, check digit by ISO 7064 MOD 11-2
_IDENTITY_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_IDENTITY_CHECK = "10X98765432"


class TaxNumber(StrEnum):
    """What a text is worth as a taxpayer number. The first two can be issued with."""

    SOUND = "sound"  # 18 characters, the check digit is right
    UNUSUAL = "unusual"  # 15–17, 19 or 20 characters: an old registration, or an ID number with two digits more
    WRONG_CHECK_DIGIT = "wrong_check_digit"  # 18 characters, and the last does not follow from the others
    WRONG_LENGTH = "wrong_length"
    WRONG_CHARACTERS = "wrong_characters"  # only 0–9 and A–Z are used


def check_tax_number(text: str) -> TaxNumber:
    """Judge a taxpayer number by its form (business rule 4.3)."""
    if not 15 <= len(text) <= 20:
        return TaxNumber.WRONG_LENGTH
    if len(text) == 18 and _check_digit(text) == text[17]:
        return TaxNumber.SOUND
    if not _ALLOWED.fullmatch(text):
        return TaxNumber.WRONG_CHARACTERS
    return TaxNumber.WRONG_CHECK_DIGIT if len(text) == 18 else TaxNumber.UNUSUAL


def is_identity_number(text: str) -> bool:
    """Is it a resident's ID number with a right check digit? A natural person carries it as taxpayer number."""
    if not _IDENTITY.fullmatch(text):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], _IDENTITY_WEIGHTS, strict=True))
    return _IDENTITY_CHECK[total % 11] == text[17]


def with_check_digit(first17: str) -> str:
    """A sound number from its first 17 characters (for tests and the sandbox). Raises `Malformed`."""
    digit = _check_digit(first17) if len(first17) == 17 else None
    if digit is None:
        raise Malformed(Text("应为17位代码字符", "Seventeen characters of the code's alphabet are needed"))
    return first17 + digit


def _check_digit(text: str) -> str | None:
    """The 18th character that follows from the first 17; None when one of them is not of the alphabet."""
    try:
        total = sum([_VALUE[character] * weight for character, weight in zip(text, _WEIGHTS, strict=False)])
    except KeyError:
        return None
    return ALPHABET[-total % 31]


def bureau_of(region: str) -> Bureau:
    """The tax bureau of a region (two digits, as in a number): EInvoiceTag, TaxBureauCode, name. Raises `Malformed`."""
    bureau = tables().bureaus.get(region)
    if bureau is None:
        raise Malformed(Text("没有这个地区代码", "There is no such region"))
    return bureau
