"""Amounts in capitals (价税合计大写), both ways.

We write 圆 and 整, as the platform does ("肆仟肆佰肆拾玖圆整", "贰圆壹角贰分", "（负数）伍佰圆整"); we read what issuers write
(元 for 圆, no 整, 零角零分).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from kaipiao.errors import Malformed
from kaipiao.invoice.money import is_sound, is_whole_cents
from kaipiao.language import Text

DIGITS = "零壹贰叁肆伍陆柒捌玖"
NEGATIVE = "（负数）"
_LIMIT = 10**18  # cents: 16 digits before the point
_LONGEST = 80
_PLACES = ((1000, "仟"), (100, "佰"), (10, "拾"), (1, ""))

_VALUE = {character: value for value, character in enumerate(DIGITS)}
_SIGN = re.compile(r"^(?:[（(]?负数?[）)]?)")
_AMOUNT = re.compile(
    r"^(?:(?P<whole>[零壹贰叁肆伍陆柒捌玖拾佰仟万亿]+)[圆元圓])?"
    r"(?:零?(?P<jiao>[零壹贰叁肆伍陆柒捌玖])角)?"
    r"(?:零?(?P<fen>[零壹贰叁肆伍陆柒捌玖])分)?"
    r"[整正]?$"
)
_FOUR = re.compile(
    r"^零?(?:(?P<k>[壹贰叁肆伍陆柒捌玖])仟)?零?(?:(?P<h>[壹贰叁肆伍陆柒捌玖])佰)?零?"
    r"(?:(?P<t>[壹贰叁肆伍陆柒捌玖]?)(?P<ten>拾))?零?(?P<o>[壹贰叁肆伍陆柒捌玖])?零?$"
)


def to_words(amount: Decimal) -> str:
    """An amount of at most 16 digits before and 2 after the point. Raises `Malformed` for others."""
    if not is_sound(amount) or not is_whole_cents(amount) or abs(amount) * 100 >= _LIMIT:
        raise Malformed(
            Text("金额不能写成大写（最多16位整数、2位小数）", "No capitals for this amount (16 digits, 2 decimals)")
        )
    cents = int(abs(amount) * 100)
    yuan, rest = divmod(cents, 100)
    sign = NEGATIVE if amount < 0 else ""
    return sign + (_whole(yuan) + "圆" if yuan or not rest else "") + _fraction(rest, after_yuan=yuan > 0)


def _fraction(cents: int, *, after_yuan: bool) -> str:
    jiao, fen = divmod(cents, 10)
    if not cents:
        return "整"
    if not fen:
        return f"{DIGITS[jiao]}角整"
    if jiao:
        return f"{DIGITS[jiao]}角{DIGITS[fen]}分"
    return f"零{DIGITS[fen]}分" if after_yuan else f"{DIGITS[fen]}分"


def _whole(number: int) -> str:
    """壹万亿零伍: groups of eight digits, each of two groups of four; a gap between groups is one 零."""
    if not number:
        return DIGITS[0]
    high, low = divmod(number, 10**8)
    return (_eight(high) + "亿" if high else "") + _after(high, low, 10**7, _eight(low))


def _eight(number: int) -> str:
    high, low = divmod(number, 10**4)
    return (_four(high) + "万" if high else "") + _after(high, low, 10**3, _four(low))


def _after(high: int, low: int, full: int, words: str) -> str:
    return "零" + words if high and 0 < low < full else words


def _four(number: int) -> str:
    words, gap = "", False
    for place, unit in _PLACES:
        digit = number // place % 10
        if digit:
            words += ("零" if gap and words else "") + DIGITS[digit] + unit
        gap = not digit
    return words


def from_words(words: str) -> Decimal:
    """The amount with two decimals. Raises `Malformed` for anything that is not an amount in capitals."""
    text = words.strip() if len(words) <= _LONGEST else ""
    sign = _SIGN.match(text)
    found = _AMOUNT.match(text[sign.end() :] if sign else text)
    if not found or not any(found.group("whole", "jiao", "fen")):
        raise _unreadable()
    yuan = _read_whole(found["whole"]) if found["whole"] else 0
    cents = yuan * 100 + _VALUE[found["jiao"] or "零"] * 10 + _VALUE[found["fen"] or "零"]
    return Decimal(-cents if sign else cents).scaleb(-2) if cents else Decimal("0.00")


def _read_whole(text: str) -> int:
    return 0 if text == "零" else _read_groups(text, "亿", 10**8, _read_eight)


def _read_eight(text: str) -> int:
    return _read_groups(text, "万", 10**4, _read_four)


def _read_groups(text: str, unit: str, value: int, part: Callable[[str], int]) -> int:
    high, found, low = text.rpartition(unit)
    return (part(high) * value if found else 0) + (part(low) if low or not found else 0)


def _read_four(text: str) -> int:
    found = _FOUR.match(text)
    if not found or text.strip("零") == "":
        raise _unreadable()
    tens = _VALUE[found["t"] or "壹"] * 10 if found["ten"] else 0
    return _digit(found["k"]) * 1000 + _digit(found["h"]) * 100 + tens + _digit(found["o"])


def _digit(character: str | None) -> int:
    return _VALUE[character] if character else 0


def _unreadable() -> Malformed:
    return Malformed(Text("大写金额无法识别", "The amount in capitals cannot be read"))
