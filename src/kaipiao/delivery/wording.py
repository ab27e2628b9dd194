"""Text as other systems can take it: no controls, no mark-up, no mention of anybody, not too long."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable

ELLIPSIS = "…"
_HARMLESS = str.maketrans({"<": "＜", ">": "＞", "@": "＠", "&": "＆"})
_HIDDEN = ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")


def line(text: str) -> str:
    """One line: whatever breaks lines or is not to be seen is a blank."""
    return " ".join("".join(" " if unicodedata.category(c) in _HIDDEN else c for c in text).split())


def lines(text: str) -> str:
    """Lines of text, each by itself as `line`."""
    return "\n".join(line(one) for one in text.split("\n"))


def unmarked(text: str) -> str:
    """No HTML, no `<at …>` and no `@all`: chat programs read these in a text."""
    return text.translate(_HARMLESS)


def utf8(text: str) -> int:
    """Bytes."""
    return len(text.encode("utf-8", "surrogatepass"))


def escaped(text: str) -> int:
    """Bytes of it within JSON."""
    return utf8(json.dumps(text, ensure_ascii=False)) - 2


def fitted(text: str, most: int, size: Callable[[str], int] = utf8) -> str:
    """The text, or its beginning with an ellipsis: at most so many bytes, no character cut."""
    if len(text) <= most and size(text) <= most:
        return text
    left = most - size(ELLIPSIS)
    return "".join(_first(text, left, size)) + ELLIPSIS


def _first(text: str, left: int, size: Callable[[str], int]) -> Iterable[str]:
    for character in text:
        left -= size(character)
        if left < 0:
            return
        yield character
