"""SM4-ECB with PKCS#7 padding (GB/T 32907-2016, GM/T 0002-2012).

ECB only because the direct protocol demands it: the body of a 乐企 call is base64(SM4-ECB(JSON)). It hides neither
repetition nor change, so it is used in that channel and inside TLS, and for nothing of our own (key files: AES-256-GCM).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from kaipiao.errors import CipherTextMalformed
from kaipiao.language import Text

KEY_SIZE = 16  # bytes
BLOCK_SIZE = 16  # bytes
_PADDING = PKCS7(BLOCK_SIZE * 8)


def encrypt_ecb(key: bytes, data: bytes) -> bytes:
    """key: 16 bytes. The result is the next whole multiple of 16 bytes above len(data). Raises `CipherTextMalformed`."""
    padder = _PADDING.padder()
    padded = padder.update(data) + padder.finalize()
    encryptor = _cipher(key).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def decrypt_ecb(key: bytes, data: bytes) -> bytes:
    """The plain bytes. Raises `CipherTextMalformed` for a wrong key length, data that is empty or no whole number of
    blocks, and broken padding (as a wrong key gives it, 255 times in 256: ECB itself notices nothing)."""
    if not data or len(data) % BLOCK_SIZE:
        raise CipherTextMalformed(
            Text(
                "SM4 密文长度必须是 16 字节的正整数倍。",
                "SM4 cipher text must be a positive multiple of 16 bytes long.",
            ),
            length=len(data),
        )
    decryptor = _cipher(key).decryptor()
    padded = decryptor.update(data) + decryptor.finalize()
    unpadder = _PADDING.unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise CipherTextMalformed(
            Text(
                "SM4 填充有误，密钥不符或密文已变。", "The SM4 padding is broken: another key, or altered cipher text."
            )
        ) from None


def _cipher(key: bytes) -> Cipher[modes.ECB]:
    if len(key) != KEY_SIZE:
        raise CipherTextMalformed(
            Text("SM4 密钥必须是 16 字节。", "An SM4 key must be 16 bytes long."), length=len(key)
        )
    return Cipher(algorithms.SM4(key), modes.ECB())  # noqa: S305 (the protocol's choice, see above)
