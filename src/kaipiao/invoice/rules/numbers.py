"""Numbers before anything is computed with them: usable, two decimals, not too many digits, prices short enough."""

from __future__ import annotations

from decimal import Decimal

from kaipiao.invoice.money import is_sound, is_whole_cents, plain
from kaipiao.invoice.rules.rule import Findings, Received, Rule
from kaipiao.invoice.tables import tables
from kaipiao.language import Text

UNSOUND = Rule(
    "KP-RULE-MONEY-01",
    "*",
    Text("不是可用的数字（非数、无穷大或超出范围）", "Not a usable number (NaN, infinite or out of range)"),
    "own: such a value has no place in any field",
    received=Received.INVALID,
)
CENTS = Rule(
    "KP-RULE-MONEY-02",
    "*",
    Text("金额最多两位小数", "An amount has at most two decimals"),
    "数电票 XML（版式说明 V5.002）; 乐企开票能力说明文档（基础版）V5.001 数电票上传: number(18,2)",
)
TOO_MANY_DIGITS = Rule(
    "KP-RULE-MONEY-03",
    "*",
    Text("整数部分超过{limit}位", "It has more than {limit} digits before the point"),
    "乐企开票能力说明文档（基础版）V5.001 数电票上传: number(18,2)",
)
PRICE_LENGTH = Rule(
    "KP-RULE-LINE-03",
    "lines[].unit_price",
    Text(
        "单价最多{characters}个字符、整数{integers}位、小数{decimals}位",
        "A unit price has at most {characters} characters, {integers} digits before and {decimals} after the point",
    ),
    "税局退回实例 / refused by the bureau; 乐企开票能力说明文档（基础版）校验规则",
)
QUANTITY_LENGTH = Rule(
    "KP-RULE-LINE-04",
    "lines[].quantity",
    Text("数量不能为0，最多{limit}个字符", "A quantity is not 0 and has at most {limit} characters"),
    "乐企开票能力说明文档（基础版）V5.001 数电票上传; 乐企开票能力说明文档（基础版）校验规则",
)
RULES = (UNSOUND, CENTS, TOO_MANY_DIGITS, PRICE_LENGTH, QUANTITY_LENGTH)


def check_sound(findings: Findings, path: str, value: Decimal | None) -> bool:
    """True when the value may be computed with (or is absent)."""
    if value is None or is_sound(value):
        return True
    findings.add(UNSOUND, path)
    return False


def check_money(findings: Findings, path: str, value: Decimal | None) -> bool:
    """True when the value may be computed with (or is absent); its decimals and digits are judged besides."""
    if value is None:
        return True
    if not check_sound(findings, path, value):
        return False
    if not is_whole_cents(value):
        findings.add(CENTS, path)
    digits = tables().limits.counts.money_digits
    if value.adjusted() >= digits:
        findings.add(TOO_MANY_DIGITS, path, limit=digits)
        return False
    return True


def check_price(findings: Findings, path: str, value: Decimal | None) -> bool:
    if value is None or not check_sound(findings, path, value):
        return value is None
    limits = tables().limits.price
    text = plain(value)
    whole, _, fraction = text.lstrip("-").partition(".")
    if len(text) > limits.characters or len(whole) > limits.integers or len(fraction) > limits.decimals:
        facts = {"characters": limits.characters, "integers": limits.integers, "decimals": limits.decimals}
        findings.add(PRICE_LENGTH, path, **facts)
    return True


def check_quantity(findings: Findings, path: str, value: Decimal | None) -> bool:
    if value is None or not check_sound(findings, path, value):
        return value is None
    limit = tables().limits.lengths.quantity
    if not value or len(plain(value)) > limit:
        findings.add(QUANTITY_LENGTH, path, limit=limit)
    return True
