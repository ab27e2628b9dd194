"""SM2 from PyPI (gmssl, pure Python), or ours."""

from __future__ import annotations

from collections.abc import Callable

from gmssl import sm2

from kaipiao.seal.keyformat import read_pkcs8
from kaipiao.seal.sm2 import Sm2PrivateKey

Sign = Callable[[bytes], bytes]


def signer(ours: bool) -> Sign:
    """Signs SM3(Z ‖ bytes) with a key made now. Blocks."""
    private = Sm2PrivateKey.generate()
    if ours:
        return private.sign
    scalar, _ = read_pkcs8(private.to_pkcs8_der())
    key = sm2.CryptSM2(scalar.hex(), private.public_key.point[1:].hex(), asn1=True)
    return lambda data: bytes.fromhex(key.sign_with_sm3(data))
