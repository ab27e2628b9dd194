"""A detached seal as a small file beside the frozen bytes (`kaipiao verify --seal`). JSON, stable, safe to read from anyone.

    {"format": "kaipiao-seal-1", "algorithm": "SM2-SM3", "key_id": "…", "digest": "64 hex digits, SM3 of the bytes",
     "signature": "hex of DER(r, s)", "public_key": "130 hex digits, 04 ‖ X ‖ Y"}

The public key inside only makes the file complete: who holds that key must be known from elsewhere.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaipiao.errors import SealFileMalformed
from kaipiao.language import Text
from kaipiao.seal import curve
from kaipiao.seal.digest import sm3
from kaipiao.seal.port import Seal
from kaipiao.seal.sm2 import ALGORITHM, Sm2PublicKey

FORMAT = "kaipiao-seal-1"
SIZE_LIMIT = 4096  # bytes; a real one has about 500
_KEY_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class SealFile:
    """`digest` is SM3 of the sealed bytes (32 bytes), `public_key` 04 ‖ X ‖ Y (65 bytes, on the curve)."""

    seal: Seal
    digest: bytes
    public_key: bytes

    def matches(self, data: bytes) -> bool:
        """Was this made for these bytes, says the digest? (Tells a wrong file from a wrong signature.)"""
        return sm3(data) == self.digest

    def holds(self, data: bytes, key: Sm2PublicKey) -> bool:
        """Did the holder of `key` seal these bytes? `key` comes from whom the caller trusts, not from this file."""
        return self.public_key == key.point and self.matches(data) and key.verify(data, self.seal.value)

    def to_bytes(self) -> bytes:
        fields = {
            "format": FORMAT,
            "algorithm": self.seal.algorithm,
            "key_id": self.seal.key_id,
            "digest": self.digest.hex(),
            "signature": self.seal.value.hex(),
            "public_key": self.public_key.hex(),
        }
        return json.dumps(fields, indent=1).encode("ascii") + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> SealFile:
        """Raises `SealFileMalformed` for anything but a sound file of this format; does not judge the signature."""
        if len(content) > SIZE_LIMIT:
            raise _malformed("过大", "it is too large")
        fields = _fields(content)
        try:
            digest, signature, point = (bytes.fromhex(fields[name]) for name in ("digest", "signature", "public_key"))
        except (KeyError, TypeError, ValueError):
            raise _malformed("字段缺失或不是十六进制", "fields are missing or not hexadecimal") from None
        key_id = fields.get("key_id")
        if fields.get("format") != FORMAT or fields.get("algorithm") != ALGORITHM:
            raise _malformed("格式或算法不认识", "its format or algorithm is not known")
        if not isinstance(key_id, str) or _KEY_ID.fullmatch(key_id) is None:
            raise _malformed("密钥编号有误", "its key id is broken")
        if len(digest) != 32 or not curve.is_signature(signature) or not curve.is_point(point):
            raise _malformed("摘要、签名或公钥有误", "its digest, signature or public key is broken")
        return cls(Seal(key_id, ALGORITHM, signature), digest, point)


def seal_file(data: bytes, seal: Seal, key: Sm2PublicKey) -> SealFile:
    """The file for a seal that `key` made over `data`."""
    return SealFile(seal, sm3(data), key.point)


def read_seal_file(path: Path) -> SealFile:
    """Raises `SealFileMalformed`; `OSError` when it cannot be opened. Reads no more than `SIZE_LIMIT` + 1 bytes."""
    with path.open("rb") as file:
        return SealFile.from_bytes(file.read(SIZE_LIMIT + 1))


def _fields(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        raise _malformed("不是 JSON", "it is not JSON") from None
    if not isinstance(fields, dict):
        raise _malformed("不是 JSON 对象", "it is no JSON object")
    return fields


def _malformed(zh: str, en: str) -> SealFileMalformed:
    return SealFileMalformed(
        Text("签章文件无法读取：{zh}。", "The seal file cannot be read: {en}.").format(zh=zh, en=en)
    )
