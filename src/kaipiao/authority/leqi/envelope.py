"""The envelope: base64(SM4-ECB(JSON)) out; an outer JSON with an inner one, and the same inside, back.

What a published client accepts is accepted here: `body` and `Response` as objects or as JSON in a string, gzip with or
without its header. Nothing raises for what came in.
"""

from __future__ import annotations

import base64
import binascii
import json

from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.reading import Data
from kaipiao.authority.leqi.services import Service
from kaipiao.authority.leqi.settings import LeqiSettings
from kaipiao.authority.transport.unpack import GZIP_MAGIC, Bomb, NotPacked, gunzip
from kaipiao.errors import CipherTextMalformed
from kaipiao.seal.sm4 import decrypt_ecb, encrypt_ecb

_UNPACKED_AT_MOST = 64 * 1024 * 1024


def headers(settings: LeqiSettings, service: Service) -> dict[str, str]:
    """An empty `access_signature` is the official practice."""
    return {
        "fwbm": service.code,
        "nlbm": service.ability,
        "jrdwptbh": settings.jrdwptbh,
        "sydwptbh": settings.sydwptbh,
        "ylbm": settings.ylbm,
        "access_signature": "",
        "sxcsbz": settings.sandbox_flag,
    }


def sealed(key: bytes, payload: object) -> bytes:
    """The request body. Texts go as raw UTF-8 (the bureau knows no `\\u` escapes); an empty payload is `{}`."""
    plain = json.dumps(payload or {}, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.b64encode(encrypt_ecb(key, plain))


def opened(key: bytes, data: object) -> Data | None:
    """The object inside `Response.Data`; None if it is not base64 of SM4 under our key of a JSON object."""
    if not isinstance(data, str):
        return None
    try:
        plain = decrypt_ecb(key, base64.b64decode(data.strip(), validate=True))
    except (binascii.Error, ValueError, CipherTextMalformed):
        return None
    inside = reading.parse(plain)
    return inside if isinstance(inside, dict) else None


def unpacked(body: bytes) -> bytes:
    """The body without gzip, when it is gzip that no header announced; as it is when it cannot be unpacked."""
    if not body.startswith(GZIP_MAGIC):
        return body
    try:
        return gunzip(body, _UNPACKED_AT_MOST)
    except (Bomb, NotPacked):
        return body
