"""Texts that come from outside, as PostgreSQL can hold them: its texts have no U+0000. A backslash escapes it, and itself."""

from __future__ import annotations

import re
from typing import overload

_ESCAPED = re.compile(r"\\([\\0])")


@overload
def stored(text: str) -> str: ...
@overload
def stored(text: None) -> None: ...
def stored(text: str | None) -> str | None:
    """The text without U+0000; almost always it is the same."""
    if text is None or ("\\" not in text and "\0" not in text):
        return text
    return text.replace("\\", r"\\").replace("\0", r"\0")


@overload
def original(text: str) -> str: ...
@overload
def original(text: None) -> None: ...
def original(text: str | None) -> str | None:
    """What `stored` was given."""
    if text is None or "\\" not in text:
        return text
    return _ESCAPED.sub(lambda found: "\0" if found[1] == "0" else "\\", text)
