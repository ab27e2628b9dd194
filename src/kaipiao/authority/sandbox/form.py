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
        problem = _check_field(rule, record.get(rule.field))
        if problem is not None:
            return Refusal(problem[0], f"{where}字段{rule.field}{problem[1]}")
    return None


def _check_field(rule: FieldRule, value: object) -> tuple[str, str] | None:
    try:
        if rule.type == "number":
            return _check_number(rule, value)
        content = text(value)
        if content is None:
            return ("own-FIELD-01", "不能为空") if rule.required == "yes" else None
        if len(content) > rule.length[0]:
            return "own-FIELD-02", f"超过长度{rule.length[0]}"
        if rule.type == "time":
            parse_local(content)
    except ValueError:
        return "own-FIELD-03", "格式不正确"
    return None


def _check_number(rule: FieldRule, value: object) -> tuple[str, str] | None:
    content = number(value)
    if content is None:
        return ("own-FIELD-01", "不能为空") if rule.required == "yes" else None
    if not fits(content, *rule.length):
        return "own-FIELD-02", f"超过长度{rule.length[0]},{rule.length[1]}"
    return None


def call_text(record: Mapping[str, object], name: str) -> str:
    """A text field of a call that `check_part` found sound; "" when it is absent."""
    return text(record.get(name)) or ""
