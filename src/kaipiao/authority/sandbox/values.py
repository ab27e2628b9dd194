"""Values as clients send them: numbers as JSON numbers or as strings, absent as null, "" or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?(\d{1,24})(\.\d{1,24})?", re.ASCII)
_LARGEST_EXPONENT = 24
_DEEPEST = 16
_SURROGATE = re.compile(rb"\\u[dD]")


def parse_json(raw: bytes) -> object:
    """JSON with exact decimals. Raises ValueError for what is none, NaN and Infinity, texts that are no Unicode, and
    nesting beyond what any call of the protocol has."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError as depth:
        raise ValueError("nested too deeply") from depth
    if not _is_shallow(value):
        raise ValueError("nested too deeply")
    if _SURROGATE.search(raw):
        to_json(value).encode()  # a lone surrogate cannot be encoded: UnicodeEncodeError is a ValueError
    return value


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        if not level:
            return True
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
    return not level


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number")


def to_json(value: object) -> str:
    """Compact JSON without `\\u` escapes; decimals keep their digits as strings."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_decimal)


def _decimal(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def text(value: object) -> str | None:
    """A value as text; None when it is absent (null or ""). Raises ValueError for objects, arrays and booleans."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("not a text")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def number(value: object) -> Decimal | None:
    """A value as a number; None when it is absent. Raises ValueError for anything that is no plain decimal."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("not a number")
    if isinstance(value, int) and value.bit_length() > 80:
        raise ValueError("out of range")
    decimal = Decimal(value)
    if not decimal.is_finite() or abs(decimal.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError("out of range")
    return decimal


def fits(value: Decimal, digits: int, decimals: int) -> bool:
    """Has it at most so many digits and decimals, not counting trailing zeros?"""
    plain = f"{value:f}".lstrip("-").lstrip("0")
    whole, _, fraction = plain.partition(".")
    return len(whole) <= digits - decimals and len(fraction.rstrip("0")) <= decimals
