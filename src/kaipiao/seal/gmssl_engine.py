"""SM2 by the package gmssl-pyx, where no OpenSSL 3 is. By its digest calls: Z_A and SM3 are ours, as everywhere else.

It cannot compute a public key, so a private key must come with one.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field

from kaipiao.errors import KeyMalformed, SealFault
from kaipiao.language import Text
from kaipiao.seal import curve


@dataclass(frozen=True, slots=True)
class _Key:
    point: bytes
    scalar: bytes = field(default=b"", repr=False)


class GmsslEngine:
    """An `Sm2Engine`. Raises `ImportError` where the package is not installed."""

    name = "gmssl-pyx"

    def __init__(self) -> None:
        self._library = importlib.import_module("gmssl_pyx")

    def generate(self) -> _Key:
        public, scalar = self._library.sm2_key_generate()
        return _Key(b"\x04" + public, scalar)

    def load_private(self, scalar: bytes, point: bytes | None) -> _Key:
        if point is None:
            raise KeyMalformed(
                Text(
                    "私钥文件须带公钥才能在此密码库中使用。",
                    "This library needs the public key inside the private key.",
                )
            )
        key, probe = _Key(point, scalar), b"pair"
        if not self.verify(key, probe, self.sign(key, probe, curve.USER_ID), curve.USER_ID):
            raise KeyMalformed(Text("私钥与其公钥不符。", "The private key does not belong to its public key."))
        return key

    def load_public(self, point: bytes) -> _Key:
        return _Key(point)

    def scalar(self, private: _Key) -> bytes:
        return private.scalar

    def point(self, key: _Key) -> bytes:
        return key.point

    def sign(self, private: _Key, data: bytes, user_id: bytes) -> bytes:
        digest = curve.message_digest(private.point, data, user_id)
        try:
            return bytes(self._library.sm2_sign_sm3_digest(private.scalar, digest))
        except self._library.GmsslInnerError:
            raise SealFault(
                Text("密码库拒绝了 SM2 运算。", "The crypto library refused an SM2 operation."), library=self.name
            ) from None

    def verify(self, key: _Key, data: bytes, signature: bytes, user_id: bytes) -> bool:
        digest = curve.message_digest(key.point, data, user_id)
        try:
            return bool(self._library.sm2_verify_sm3_digest(key.point[1:], digest, signature))
        except self._library.GmsslInnerError:
            return False  # its way of saying that the signature does not hold
