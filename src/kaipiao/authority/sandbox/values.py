"""Values as clients send them: numbers as JSON numbers or as strings, absent as null, "" or not at all."""

from __future__ import annotations

import json
import re
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?(\d{1,24})(\.\d{1,24})?", re.ASCII)
_LARGEST_EXPONENT = 24


def parse_json(raw: bytes) -> object:
    """JSON with exact decimals. Raises ValueError for what is none, NaN and Infinity, and nesting without end."""
    try:
        return json.loads(raw.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError as depth:
        raise ValueError("nested too deeply") from depth


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
