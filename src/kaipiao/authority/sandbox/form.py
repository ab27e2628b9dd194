"""Are the required fields there, of the right type and length? By the table, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kaipiao.authority.sandbox.call import parse_local
from kaipiao.authority.sandbox.data_tables import FieldRule, field_rules
from kaipiao.authority.sandbox.values import fits, number, text


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an invoice or a call is refused: our own stable code and the words of the answer."""

    code: str
    message: str


def check_part(service: str, part: str, record: Mapping[str, object], where: str = "") -> Refusal | None:
    """The first thing that is wrong in one object, or None. `where` precedes the message (第3行)."""
    for rule in field_rules().get((service, part), ()):
        value = record.get(rule.field)
        if value is None or value == "":
            if rule.required == "yes":
                return Refusal("own-FIELD-01", f"{where}字段{rule.field}不能为空")
            continue
        problem = _check_value(rule, value)
        if problem is not None:
            return Refusal(problem[0], f"{where}字段{rule.field}{problem[1]}")
    return None


def _check_value(rule: FieldRule, value: object) -> tuple[str, str] | None:
    whole, decimals = rule.length
    try:
        if rule.type == "number":
            content = number(value)
            fitting = content is None or fits(content, whole, decimals)
            return None if fitting else ("own-FIELD-02", f"超过长度{whole},{decimals}")
        words = text(value) or ""
        if rule.type == "time":
            parse_local(words)
    except ValueError:
        return "own-FIELD-03", "格式不正确"
    return None if len(words) <= whole else ("own-FIELD-02", f"超过长度{whole}")


def call_text(record: Mapping[str, object], name: str) -> str:
    """A text field of a call that `check_part` found sound; "" when it is absent."""
    return text(record.get(name)) or ""
