"""Reading what the far side sent. It may be broken, hostile, huge: every function gives a bounded value or None."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from kaipiao.clock import SHANGHAI
from kaipiao.invoice.money import is_sound

Data = Mapping[str, object]

MESSAGE_LIMIT = 300  # characters of a message that are kept
_CODE_LIMIT = 40
_NUMBER = re.compile(r"[+-]?[0-9]{1,25}(\.[0-9]{1,25})?", re.ASCII)
_TIME = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", re.ASCII)


def parse(text: str | bytes) -> object:
    """JSON with exact decimals; None for anything that is no JSON (NaN and endless nesting too)."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def as_object(value: object) -> Data:
    """An object, also when it comes as JSON in a string; empty for anything else."""
    if isinstance(value, str):
        value = parse(value)
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """A list, also when it comes as JSON in a string; empty for anything else."""
    if isinstance(value, str):
        value = parse(value)
    return value if isinstance(value, list) else []


def text(value: object, limit: int = MESSAGE_LIMIT) -> str:
    """A text or a number as one bounded line that prints: no control characters, no half characters."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    if isinstance(value, int) and value.bit_length() > 256:
        return ""
    words = value if isinstance(value, str) else str(value)
    return "".join(c if c.isprintable() else " " for c in words[:limit]).strip()


def code(value: object) -> str:
    return text(value, _CODE_LIMIT)


def number(value: object) -> Decimal | None:
    """A plain decimal of a size that an invoice could carry; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        value = Decimal(value)
    elif isinstance(value, int) and value.bit_length() <= 96:
        value = Decimal(value)
    return value if isinstance(value, Decimal) and is_sound(value) else None


def instant(value: object) -> datetime | None:
    """`yyyy-MM-dd HH:mm:ss` of Asia/Shanghai, in UTC; None for anything else."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).replace(tzinfo=SHANGHAI).astimezone(UTC)
    except ValueError:
        return None


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no number")
