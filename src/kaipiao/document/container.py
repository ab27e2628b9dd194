"""What kind of file the bytes are, by their first bytes and by the promise of the name."""

from __future__ import annotations

import re
from enum import Enum

from kaipiao.document.report import Layer, Verdict
from kaipiao.errors import Malformed
from kaipiao.language import Text


class Container(Enum):
    XML = "xml"
    ZIP = "zip"
    PDF = "pdf"
    OTHER = "other"


_PROMISES = {".xml": Container.XML, ".ofd": Container.ZIP, ".zip": Container.ZIP, ".pdf": Container.PDF}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
_OTHERS = {
    b"\x89PNG\r\n\x1a\n": Text("PNG 图片", "a PNG picture"),
    b"\xff\xd8\xff": Text("JPEG 图片", "a JPEG picture"),
    b"GIF8": Text("GIF 图片", "a GIF picture"),
    b"\x1f\x8b": Text("gzip 压缩文件", "a gzip file"),
}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LARGEST_TEXT = 20_000_000


def form_of(data: bytes, name: str) -> Container:
    """By the content; where that says nothing, by the ending of the name (which the content then will not keep)."""
    if data.startswith(_ZIP):
        return Container.ZIP
    if b"%PDF-" in data[:1024]:
        return Container.PDF
    if data.startswith(_UTF16) or data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return Container.XML
    return _PROMISES.get(name[-4:].lower(), Container.OTHER)


def check_pdf(data: bytes) -> None:
    """Raises `Malformed` for a PDF without its head or cut off before its end."""
    if b"%PDF-" not in data[:1024]:
        raise Malformed(Text("不是 PDF 文件。", "It is no PDF."))
    if b"%%EOF" not in data[-2048:]:
        raise Malformed(Text("PDF 文件不完整。", "The PDF is cut off."))


def judge_other(data: bytes) -> Layer:
    """A file of a known other kind is no invoice, and not invalid for that. Raises `Malformed` for bytes that are nothing."""
    kind = _kind(data)
    if kind is None:
        raise Malformed(Text("不是任何可识别的文件。", "The bytes are no kind of file that is known here."))
    reason = Text("{kind}，本版本不判断。", "It is {kind}: not judged by this version.")
    return Layer("container", Verdict.NOT_JUDGED, Text(reason.zh.format(kind=kind.zh), reason.en.format(kind=kind.en)))


def _kind(data: bytes) -> Text | None:
    for magic, kind in _OTHERS.items():
        if data.startswith(magic):
            return kind
    if _is_der(data):
        return Text("ASN.1 数据（如电子印章）", "ASN.1 data (a seal, a certificate)")
    return Text("纯文本", "plain text") if _is_text(data) else None


def _is_der(data: bytes) -> bool:
    """One SEQUENCE that is exactly as long as the file."""
    if len(data) < 4 or data[0] != 0x30:
        return False
    if data[1] < 0x80:
        return len(data) == 2 + data[1]
    size = data[1] & 0x7F
    return 1 <= size <= 4 and len(data) == 2 + size + int.from_bytes(data[2 : 2 + size], "big")


def _is_text(data: bytes) -> bool:
    if not data.strip() or len(data) > _LARGEST_TEXT:
        return False
    try:
        return _CONTROL.search(data.decode("utf-8")) is None
    except UnicodeDecodeError:
        return False
