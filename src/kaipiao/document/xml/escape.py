"""Characters as XML writes them. What XML cannot carry is refused, never dropped."""

from __future__ import annotations

import re

from kaipiao.errors import Malformed
from kaipiao.language import Text

# Everything that XML 1.0 (2.2, "Char") excludes, as the inside of a character class.
_EXCLUDED = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_EXCLUDED_CHARACTER = re.compile(f"[{_EXCLUDED}]")
# In a text also what must be escaped; a bare carriage return would be read back as a line feed.
needs_care = re.compile(f"[&<>\r{_EXCLUDED}]").search

# NCName of "Namespaces in XML 1.0"; longer names than 1,000 characters are refused.
_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef"
    "\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAMESPACE = r"\{([^{}]{1,1000})\}"
_LOCAL = f"[{_START}][-.0-9\u00b7\u0300-\u036f\u203f\u2040{_START}]{{0,999}}"
_NAME = re.compile(f"(?:{_NAMESPACE})?({_LOCAL})")

_DECLARING = "http://www.w3.org/2000/xmlns/"


def text(value: str) -> str:
    """A text between tags. Raises `Malformed` for characters that XML cannot carry."""
    if needs_care(value) is None:
        return value
    _refuse_excluded(value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def attribute(value: str) -> str:
    """A value between double quotes. Raises `Malformed` likewise."""
    escaped = text(value).replace('"', "&quot;")
    return escaped.replace("\n", "&#10;").replace("\t", "&#9;")


def split_name(name: str) -> tuple[str | None, str]:
    """Namespace and local name of `name` or `{namespace}name`. Raises `Malformed` for what cannot be a name, and for the
    names with which a document declares its namespaces."""
    match = _NAME.fullmatch(name)
    if match is None or match.group(2) == "xmlns" or match.group(1) == _DECLARING:
        raise Malformed(Text("元素或属性名无效。", "The name of an element or attribute is not valid."))
    return match.group(1), match.group(2)


def _refuse_excluded(value: str) -> None:
    found = _EXCLUDED_CHARACTER.search(value)
    if found is not None:
        point = f"U+{ord(found.group()):04X}"
        raise Malformed(
            Text("含有 XML 不能承载的字符 {point}。", "It has the character {point}, which XML cannot carry.").format(
                point=point
            ),
            character=point,
        )
