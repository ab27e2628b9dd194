"""Parse XML that nobody vouches for: no DTD, no entities, no network, and every quantity bounded.

Refused before libxml2 sees a byte: too many bytes, a DOCTYPE of any kind (so there are no entities, internal or external,
and nothing to expand or to fetch), too many markup characters, one tag or text over its limit. Checked while and after
parsing: time, depth, number of elements, number of attributes. Messages carry places and libxml2's code names, never
content of the file.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from lxml import etree

from kaipiao.document.xml.charset import decode
from kaipiao.errors import Malformed, TooLarge
from kaipiao.language import Text


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost. `size` is in bytes, `text` in characters (one text, comment or tag), `seconds` in real time."""

    size: int = 20_000_000
    depth: int = 100
    elements: int = 100_000
    attributes: int = 64
    text: int = 1_000_000
    seconds: float = 5.0


DEFAULT = Limits()
_CHUNK = 65_536
_PROLOG = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)


def parse(data: bytes, limits: Limits = DEFAULT) -> etree._Element:
    """The root element, without comments and processing instructions. Raises `Malformed` (with the line where libxml2
    knows it) and `TooLarge`."""
    if len(data) > limits.size:
        raise _over("size", limits.size, "文件字节数", "bytes of the file")
    text, _ = decode(data)
    _refuse_doctype(text)
    _bound_markup(text, limits)
    root = _parsed(text, limits)
    _bound_tree(root, limits)
    return root


def _refuse_doctype(text: str) -> None:
    """The prolog ends at the first thing that is neither space, comment nor instruction. Elsewhere a DOCTYPE is a syntax error."""
    position = 0
    while piece := _PROLOG.match(text, position):
        position = piece.end()
    if text.startswith("<!DOCTYPE", position):
        line = text.count("\n", 0, position) + 1
        raise Malformed(
            Text("含有 DOCTYPE（第 {line} 行），一律拒收。", "It has a DOCTYPE (line {line}): always refused.").format(
                line=line
            ),
            line=line,
        )


def _bound_markup(text: str, limits: Limits) -> None:
    """`<` opens every element, end tag, comment and CDATA section; between two of them lie one tag and one text."""
    if text.count("<") > 2 * limits.elements + 100:
        raise _over("elements", limits.elements, "元素个数", "elements")
    position = 0
    while position + limits.text < len(text):
        following = text.rfind("<", position + 1, position + limits.text + 1)
        if following < 0:
            raise _over("text", limits.text, "单个文本或标签的字符数", "characters of one text or tag")
        position = following


def _parsed(text: str, limits: Limits) -> etree._Element:
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    data = text.encode("utf-8", errors="surrogatepass")
    end = time.monotonic() + limits.seconds
    try:
        for start in range(0, len(data), _CHUNK):
            parser.feed(data[start : start + _CHUNK])
            if time.monotonic() > end:
                raise _over("seconds", limits.seconds, "解析秒数", "seconds of parsing")
        root: etree._Element = parser.close()
    except etree.XMLSyntaxError as error:
        raise _syntax(error) from None
    return root


def _syntax(error: etree.XMLSyntaxError) -> Malformed:
    line, column = error.position
    name = etree.ErrorTypes._getName(getattr(error, "code", 0), "ERR_DOCUMENT_EMPTY")
    return Malformed(
        Text(
            "XML 语法错误：第 {line} 行第 {column} 列（{name}）。",
            "XML syntax error: line {line}, column {column} ({name}).",
        ).format(line=line, column=column, name=name),
        line=line,
        column=column,
        reason=name,
    )


def _bound_tree(root: etree._Element, limits: Limits) -> None:
    depth = count = 0
    for event, node in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth, count = depth + 1, count + 1
        if depth > limits.depth:
            raise _over("depth", limits.depth, "嵌套层数", "levels of nesting", line=node.sourceline)
        if count > limits.elements:
            raise _over("elements", limits.elements, "元素个数", "elements", line=node.sourceline)
        if len(node.attrib) > limits.attributes:
            raise _over(
                "attributes", limits.attributes, "单个元素的属性个数", "attributes of one element", line=node.sourceline
            )
        if len(node.text or "") > limits.text:
            raise _over("text", limits.text, "单个文本的字符数", "characters of one text", line=node.sourceline)


def _over(limit: str, value: float, zh: str, en: str, *, line: int | None = None) -> TooLarge:
    text = Text("{zh}超过上限 {value}。", "Over the limit of {value} {en}.").format(zh=zh, en=en, value=value)
    return TooLarge(text, limit=limit, value=value, line=line)
