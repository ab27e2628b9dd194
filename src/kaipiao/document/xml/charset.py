"""From bytes to characters, before any XML parser sees them: one reading only, or a clear refusal.

A file whose byte order mark and declaration contradict each other can be read in two ways. It is refused, because two
readers of one invoice must never see two invoices.
"""

from __future__ import annotations

import codecs
import re

from kaipiao.errors import Malformed
from kaipiao.language import Text

# What a declaration may name, and the codec that reads it. GB 18030 contains GBK and GB 2312 byte for byte, and files that
# declare the smaller sets are often written in the larger one.
_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5",
    "iso-8859-1": "latin-1",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
# The longer marks first: UTF-32-LE begins with the mark of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARATION = re.compile(r"""<\?xml\s[^>]*?\?>""")
_ENCODING = re.compile(r"""\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,39})["']""")


def decode(data: bytes) -> tuple[str, str]:
    """The characters of an XML file without its declaration (its line breaks are kept), and the codec that read them.

    Raises `Malformed`: unknown or contradictory encodings, bytes that are not in the encoding, NUL characters.
    """
    mark, length = _mark(data)
    codec = mark or _unmarked(data)
    text = _decoded(data[length:], codec)
    if "\0" in text:
        raise Malformed(Text("文件含有 NUL 字符。", "The file contains NUL characters."))
    declaration = _DECLARATION.match(text)
    if declaration is None:
        return text, codec
    return "\n" * declaration.group().count("\n") + text[declaration.end() :], codec


def _mark(data: bytes) -> tuple[str | None, int]:
    """The encoding that a byte order mark says, and the mark's length."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            if codec == "utf-32":
                raise _unsupported("utf-32")
            _no_contradiction(codec, _declared(data[len(mark) : len(mark) + 400], codec))
            return codec, len(mark)
    return None, 0


def _unmarked(data: bytes) -> str:
    """The encoding of a file without a mark: by its first bytes (XML 1.0, appendix F), then by its declaration."""
    for codec, start in (("utf-16-le", b"<\0"), ("utf-16-be", b"\0<")):
        if data.startswith(start):
            _no_contradiction(codec, _declared(data[:400], codec))
            return codec
    declared = _declared(data[:400], "latin-1")
    if declared is None:
        return "utf-8"
    if declared.startswith("utf-16"):
        _no_contradiction("utf-8", declared)
    return declared


def _declared(head: bytes, codec: str) -> str | None:
    declaration = _DECLARATION.match(head.decode(codec, errors="replace"))
    encoding = _ENCODING.search(declaration.group()) if declaration else None
    if encoding is None:
        return None
    known = _CODECS.get(encoding.group(1).lower())
    if known is None:
        raise _unsupported(encoding.group(1).lower())
    return known


def _no_contradiction(actual: str, declared: str | None) -> None:
    if declared in (None, actual) or (declared == "utf-16" and actual.startswith("utf-16")):
        return
    raise Malformed(
        Text(
            "声明的编码是 {declared}，字节却是 {actual}。", "It declares {declared}, but its bytes are {actual}."
        ).format(declared=declared, actual=actual),
        declared=declared,
        actual=actual,
    )


def _decoded(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise Malformed(
            Text("第 {offset} 字节不是有效的 {codec}。", "Byte {offset} is not valid {codec}.").format(
                offset=error.start, codec=codec
            ),
            offset=error.start,
            encoding=codec,
        ) from None


def _unsupported(name: str) -> Malformed:
    return Malformed(
        Text("不支持编码 {name}。", "The encoding {name} is not supported.").format(name=name), encoding=name
    )
