"""ZIP packages: an OFD is one with `OFD.xml` at its top. No more is unpacked than that one small file, up to a limit."""

from __future__ import annotations

import struct
import zipfile
import zlib
from io import BytesIO

from kaipiao.document.report import FieldValue, Layer, Report, Verdict, overall
from kaipiao.document.xml.untrusted import Limits, parse
from kaipiao.errors import Malformed, TooLarge
from kaipiao.language import Text

_OFD = "OFD.xml"
_LARGEST_DIRECTORY = 2_000_000  # bytes of the central directory: some 20,000 entries
_LIMITS = Limits(size=1_000_000, elements=5_000, seconds=2)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END = b"PK\x05\x06"
# CustomData names of invoice OFDs (formats.md 2.1) and what they are called here.
_FIELDS = {
    "发票代码": "code",
    "发票号码": "number",
    "开票日期": "issued_at",
    "校验码": "check_code",
    "销售方名称": "seller_name",
    "销售方纳税人识别号": "seller_tax_number",
    "购买方名称": "buyer_name",
    "购买方纳税人识别号": "buyer_tax_number",
    "合计金额": "amount",
    "合计税额": "tax",
    "价税合计": "total",
}


def verify_package(data: bytes) -> Report:
    """The report on a ZIP. Raises `Malformed` for one that is broken, `TooLarge` for one that is a bomb."""
    _bound_directory(data)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            if _OFD not in archive.namelist():
                return _other_package()
            main = _unpacked(archive)
    # What zipfile raises for broken, encrypted, unknown-method and inconsistent archives.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        NotImplementedError,
        ValueError,
        OSError,
        struct.error,
    ):
        raise Malformed(Text("ZIP 容器已损坏。", "The ZIP container is broken.")) from None
    return _ofd(main)


def _bound_directory(data: bytes) -> None:
    """Look at the size of the directory before it is read."""
    place = data.rfind(_END, max(0, len(data) - 65_557))
    if place < 0 or len(data) < place + 22:
        raise Malformed(Text("ZIP 容器不完整。", "The ZIP container is cut off."))
    (size,) = struct.unpack_from("<I", data, place + 12)
    if size > _LARGEST_DIRECTORY:
        raise TooLarge(Text("ZIP 目录过大。", "The directory of the ZIP is too large."), limit="directory")


def _unpacked(archive: zipfile.ZipFile) -> bytes:
    if archive.getinfo(_OFD).compress_type not in _METHODS:
        raise Malformed(Text("OFD.xml 的压缩方法不常见。", "OFD.xml is packed by an unusual method."))
    with archive.open(_OFD) as stream:
        main = stream.read(_LIMITS.size + 1)
    if len(main) > _LIMITS.size:
        raise TooLarge(Text("OFD.xml 过大。", "OFD.xml is too large."), limit="size", value=_LIMITS.size)
    return main


def _ofd(main: bytes) -> Report:
    root = parse(main, _LIMITS)
    said = {
        str(node.get("Name")): (node.text or "").strip()
        for node in root.iter("{*}CustomData")
        if node.get("Name") in _FIELDS
    }
    fields: dict[str, FieldValue] = {_FIELDS[name]: value for name, value in said.items()}
    number = said.get("发票号码") or None
    layers = (
        Layer("container", Verdict.VALID, Text("OFD 容器可以读取。", "The OFD container can be read.")),
        Layer(
            "content",
            Verdict.NOT_JUDGED,
            Text("本版本不判断 OFD 的版面与签章。", "This version judges neither the pages of an OFD nor its seals."),
        ),
    )
    return Report("ofd", number, fields, layers, overall(layers))


def _other_package() -> Report:
    reason = Text("ZIP 容器，没有 OFD.xml，本版本不判断。", "A ZIP without OFD.xml: not judged by this version.")
    layers = (Layer("container", Verdict.NOT_JUDGED, reason),)
    return Report("unknown", None, {}, layers, overall(layers))
