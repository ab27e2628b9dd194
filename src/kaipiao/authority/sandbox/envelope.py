"""The envelope of the direct protocol: base64(SM4-ECB(JSON)) inside a JSON whose `body` is a JSON as a string."""

from __future__ import annotations

import base64
import binascii
import secrets

from kaipiao.authority.sandbox.call import Answer
from kaipiao.authority.sandbox.values import parse_json, to_json
from kaipiao.errors import CipherTextMalformed, Malformed
from kaipiao.language import Text
from kaipiao.seal.sm4 import decrypt_ecb, encrypt_ecb


def unwrap(key: bytes, body: bytes) -> object:
    """The JSON of a request. Raises `Malformed`: not base64, not under this key, no JSON."""
    try:
        plain = decrypt_ecb(key, base64.b64decode(body.strip(), validate=True))
        return parse_json(plain)
    except (binascii.Error, CipherTextMalformed, ValueError) as fault:
        raise Malformed(Text("报文无法解密或不是JSON", "It cannot be decrypted or is no JSON")) from fault


def wrap(key: bytes, data: Answer) -> bytes:
    """The outer JSON around an encrypted answer."""
    cipher = base64.b64encode(encrypt_ecb(key, to_json(data).encode())).decode()
    return _outer({"Response": {"RequestId": _request_id(), "Data": cipher}})


def error(code: str, message: str) -> bytes:
    """The outer JSON around a refusal: no `Data`, nothing encrypted."""
    return _outer({"Response": {"RequestId": _request_id(), "Error": {"Code": code, "Message": message}}})


def failure(status: int) -> bytes:
    """The outer JSON of a gateway that could not serve."""
    return to_json({"httpStatusCode": str(status), "body": ""}).encode()


def _outer(inner: dict[str, object]) -> bytes:
    return to_json({"httpStatusCode": "200", "body": to_json(inner)}).encode()


def _request_id() -> str:
    return secrets.token_hex(8)
