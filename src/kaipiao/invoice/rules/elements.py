"""Special elements (特定要素): carried as they are, so their content is not judged; only what a document can hold is let in."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kaipiao.invoice.model import Element
from kaipiao.invoice.rules.rule import Findings, Received, Rule
from kaipiao.invoice.rules.texts import is_writable
from kaipiao.language import Text

NOT_JUDGED = Rule(
    "KP-RULE-SPECIAL-01",
    "special",
    Text("特定要素的内容未作判断", "The content of the special elements is not judged"),
    "乐企代码表 tdyslxDm; the base ability takes none",
    stops=False,
    received=Received.NOT_JUDGED,
)
NOT_AN_ELEMENT = Rule(
    "KP-RULE-SPECIAL-02",
    "special",
    Text(
        "特定要素的名称应为XML名称（RedEInvoice除外），内容不能有控制字符",
        "A special element has an XML name (other than RedEInvoice) and no control characters",
    ),
    "XML 1.0 2.2, 2.3; 数电票 XML（版式说明 V5.002）: RedEInvoice belongs to red invoices only",
    received=Received.UNASKED,
)
RULES = (NOT_JUDGED, NOT_AN_ELEMENT)

_NAME = re.compile(r"[^\W\d][\w.-]{0,99}")
_RED = "RedEInvoice"


def check_elements(findings: Findings, elements: tuple[Element, ...]) -> None:
    if not elements:
        return
    findings.unjudged(NOT_JUDGED, "special")
    if any(element.name == _RED for element in elements) or not all(map(_fits, _all_of(elements))):
        findings.add(NOT_AN_ELEMENT, "special")


def _all_of(elements: Iterable[Element]) -> Iterable[Element]:
    """The elements and all below them, without recursion: a caller decides how deep they are."""
    waiting = list(elements)
    while waiting:
        element = waiting.pop()
        waiting.extend(element.children)
        yield element


def _fits(element: Element) -> bool:
    names = [element.name, *(name for name, _ in element.attributes)]
    texts = [element.text or "", *(value for _, value in element.attributes)]
    return all(_NAME.fullmatch(name) and name != "xmlns" for name in names) and all(map(is_writable, texts))
