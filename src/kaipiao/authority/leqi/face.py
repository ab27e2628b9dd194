"""The face inside an answer of FPCY_NEW: base64 of a zip that holds one JSON."""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
import zlib

from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.reading import Data

_PACKED_AT_MOST = 4 * 1024 * 1024  # bytes of the zip; 5,000 lines need about a tenth
_UNPACKED_AT_MOST = 16 * 1024 * 1024
_ENTRIES_AT_MOST = 4


def face(packed: object) -> Data | None:
    """The face; None for anything that is no such zip, or is over the bounds."""
    if not isinstance(packed, str) or len(packed) > _PACKED_AT_MOST * 4 // 3 + 4:
        return None
    try:
        content = _only_entry(base64.b64decode(packed, validate=True))
    except (
        binascii.Error,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,  # offsets and names that contradict themselves
        OverflowError,
        NotImplementedError,  # a method of packing that zipfile does not know
        RuntimeError,  # encrypted
    ):
        return None
    parsed = reading.parse(content) if content is not None else None
    return parsed if isinstance(parsed, dict) else None


def _only_entry(data: bytes) -> bytes | None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if not 1 <= len(entries) <= _ENTRIES_AT_MOST:
            return None
        with archive.open(entries[0]) as entry:
            content = entry.read(_UNPACKED_AT_MOST + 1)
    return content if len(content) <= _UNPACKED_AT_MOST else None
