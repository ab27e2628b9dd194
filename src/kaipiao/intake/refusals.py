"""What is wrong with the fields of a body, in both languages, without quoting what stands in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from kaipiao.errors import FieldsRefused
from kaipiao.language import Text

_MOST_FIELDS = 50  # a body with more wrong fields is not written by hand; the first ones tell
_LONGEST_NAME = 40

_REASONS: Mapping[str, Text] = {
    "missing": Text("缺少", "is missing"),
    "extra_forbidden": Text("没有这个字段", "is not a field"),
    "plain_decimal": Text(
        "应为数字：整数最多16位、小数最多13位，文本不用科学记数法，不用负零",
        "is a number of at most 16 digits before and 13 after the point, as a text without exponent, never negative zero",
    ),
    "too_short": Text("至少要有一项", "needs at least one"),
    "xml_name": Text("不是有效的 XML 名称", "is not a name that XML allows"),
    "red_element": Text("红字信息不能随开票请求提交", "is a red reference, which no request to issue can carry"),
    "string_type": Text("应为文本", "is a text"),
    "string_too_short": Text("不能为空", "must not be empty"),
    "string_too_long": Text("文本过长", "is too long"),
    "string_pattern_mismatch": Text(
        "含有控制字符、不可见字符，或首尾有空格",
        "has control characters or invisible ones, or a space at its edge",
    ),
    "string_unicode": Text("含有不完整的字符", "has half a character"),
    "account_name": Text(
        "须为 1–64 个小写字母、数字、汉字、. _ -，租户的账户可加 @租户",
        "has 1–64 small letters, digits, Chinese characters, . _ -, and may end in @tenant",
    ),
    "tenant_name": Text(
        "须为 1–64 个字符，不含空白与 / @ : ? # %", "has 1–64 characters, no blanks and none of / @ : ? # %"
    ),
    "tax_number": Text("须为 15–20 个数字或大写字母", "has 15–20 digits or capital letters"),
    "one_time_code": Text("不是一次性密码或恢复码的样子", "does not look like a one-time or recovery code"),
    "control_characters": Text("含有控制字符", "has control characters"),
    "bool_type": Text("应为 true 或 false", "is true or false"),
    "literal_error": Text("不是可选值之一", "is not one of the values it may have"),
    "list_type": Text("应为数组", "is an array"),
    "dict_type": Text("应为对象", "is an object"),
    "model_type": Text("应为对象", "is an object"),
    "recursion_loop": Text("嵌套过深", "is nested too deeply"),
}
_OTHER = Text("格式不对", "has not the right form")


def refusal(error: ValidationError) -> FieldsRefused:
    """The refusal that names each wrong field once."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [_field(path_of(one["loc"]), _REASONS.get(one["type"], _OTHER)) for one in found[:_MOST_FIELDS]]
    first, more = fields[0], len(found) - 1
    zh = f"{first['path']} {first['zh']}" + (f"（另有 {more} 处）" if more else "")
    en = f"{first['path']} {first['en']}" + (f" (and {more} more)" if more else "")
    return FieldsRefused(Text(zh, en), fields=fields)


def too_many(path: str, limit: int) -> FieldsRefused:
    """The refusal of a list that is longer than any may be; its items were not looked at."""
    reason = Text("超过 {limit} 项", "has more than {limit} items").format(limit=limit)
    return FieldsRefused(Text(f"{path} {reason.zh}", f"{path} {reason.en}"), fields=[_field(path, reason)], limit=limit)


def _field(path: str, reason: Text) -> dict[str, str]:
    return {"path": path, "zh": reason.zh, "en": reason.en}


def path_of(place: Sequence[str | int]) -> str:
    """`lines[0].tax_rate`. A name that is none of ours came from outside: cut, and without anything that cannot be seen."""
    path = ""
    for step in place:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step != "[key]":  # pydantic's mark for a wrong key of a mapping; the key itself stands before it
            name = "".join(character if character.isprintable() else "?" for character in step[:_LONGEST_NAME])
            path += f".{name}" if path else name
    return path or "."
