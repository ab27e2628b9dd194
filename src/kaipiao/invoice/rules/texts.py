"""Texts: nothing invisible, nothing too long, nothing blank where a text is needed."""

from __future__ import annotations

import re

from kaipiao.invoice.rules.rule import Findings, Rule
from kaipiao.language import Text

INVISIBLE = Rule(
    "KP-RULE-TEXT-01",
    "*",
    Text(
        "含有控制字符、不可见字符或不完整的字符",
        "It holds control characters, invisible characters or half a character",
    ),
    "XML 1.0 2.2; 乐企开票能力说明文档（基础版）校验规则",
)
SURROUNDED = Rule(
    "KP-RULE-TEXT-02",
    "*",
    Text("首尾有空白字符", "It begins or ends with white space"),
    "own: names are compared character by character by the other side",
    stops=False,
)
TOO_LONG = Rule(
    "KP-RULE-TEXT-03",
    "*",
    Text("长度{length}，超过上限{limit}个字符", "It has {length} characters; the limit is {limit}"),
    "乐企开票能力说明文档（基础版）校验规则; 乐企开票能力说明文档（基础版）V5.001 数电票上传; 税局退回实例 / refused by the bureau",
)
BLANK = Rule(
    "KP-RULE-TEXT-04",
    "*",
    Text("为空，但必须填写", "It is empty, but needed"),
    "乐企开票能力说明文档（基础版）V5.001 数电票上传 (required); 税局退回实例 / refused by the bureau",
)
RULES = (INVISIBLE, SURROUNDED, TOO_LONG, BLANK)

# Controls, half characters, and what only steers how other text is shown (zero width, direction). A remark may have lines.
_FORBIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]"
)
_LINE_BREAKS = {ord("\n"): None, ord("\r"): None}


def check_text(findings: Findings, path: str, text: str | None, limit: int, *, needed: bool = False) -> None:
    """All rules of this file on one text; absent and empty ones are fine unless `needed`."""
    if not text:
        if needed:
            findings.add(BLANK, path)
        return
    if len(text) > limit:
        findings.add(TOO_LONG, path, length=len(text), limit=limit)
    if text.isprintable() and text[0] != " " and text[-1] != " ":
        return
    if _FORBIDDEN.search(text):
        findings.add(INVISIBLE, path)
    stripped = text.strip()
    if not stripped and needed:
        findings.add(BLANK, path)
    elif stripped != text:
        findings.add(SURROUNDED, path)


def is_writable(text: str) -> bool:
    """No character that a document cannot hold or show; line breaks are fine."""
    return not _FORBIDDEN.search(text.translate(_LINE_BREAKS))


def check_remark(findings: Findings, text: str | None, limit: int) -> None:
    """A remark may have line breaks; everything else as for other texts."""
    if text:
        check_text(findings, "remark", text.translate(_LINE_BREAKS), limit)
