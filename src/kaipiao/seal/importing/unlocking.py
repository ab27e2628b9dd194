"""Opens what a password protects: PBES2 (RFC 8018), the schemes of PKCS#12 (RFC 7292, appendices B and C), old PEM.

The primitives are those of `cryptography`; what stands here is how the standards put them together. One `Unlocker` serves
one file, and the iterations it may spend on it are limited: a file cannot keep the machine busy for hours.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

from kaipiao.errors import MaterialUnreadable, PasswordNeeded, PasswordWrong
from kaipiao.seal.importing import der
from kaipiao.seal.importing.der import unreadable
from kaipiao.seal.importing.limits import LIMITS

PBES2, PBKDF2, SCRYPT = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.3.6.1.4.1.11591.4.11"
TRIPLE_DES_3, TRIPLE_DES_2 = "1.2.840.113549.1.12.1.3", "1.2.840.113549.1.12.1.4"
RC2_40 = "1.2.840.113549.1.12.1.6"
_PRF: dict[str, type[hashes.HashAlgorithm]] = {
    "1.2.840.113549.2.7": hashes.SHA1,
    "1.2.840.113549.2.8": hashes.SHA224,
    "1.2.840.113549.2.9": hashes.SHA256,
    "1.2.840.113549.2.10": hashes.SHA384,
    "1.2.840.113549.2.11": hashes.SHA512,
    "1.2.156.10197.1.401.2": hashes.SM3,  # HMAC-SM3, GM/T 0006-2012
    "1.2.156.10197.1.401.3.1": hashes.SM3,  # the same under the number of a later registration
}
_CIPHERS: dict[str, tuple[Callable[[bytes], CipherAlgorithm], int, int]] = {  # maker, bytes of key, bytes of block
    "2.16.840.1.101.3.4.1.2": (algorithms.AES, 16, 16),
    "2.16.840.1.101.3.4.1.22": (algorithms.AES, 24, 16),
    "2.16.840.1.101.3.4.1.42": (algorithms.AES, 32, 16),
    "1.2.156.10197.1.104.2": (algorithms.SM4, 16, 16),
    "1.2.840.113549.3.7": (TripleDES, 24, 8),
}
_OLD_PEM = {
    "AES-128-CBC": "2.16.840.1.101.3.4.1.2",
    "AES-192-CBC": "2.16.840.1.101.3.4.1.22",
    "AES-256-CBC": "2.16.840.1.101.3.4.1.42",
    "SM4-CBC": "1.2.156.10197.1.104.2",
    "DES-EDE3-CBC": "1.2.840.113549.3.7",
}
_OUTDATED = {  # PBES1 (RFC 8018, A.3) and PKCS#12's own: known by name, not opened
    "1.2.840.113549.1.5.1": "PBE-MD2-DES",
    "1.2.840.113549.1.5.3": "PBE-MD5-DES",
    "1.2.840.113549.1.5.6": "PBE-MD5-RC2-64",
    "1.2.840.113549.1.5.10": "PBE-SHA1-DES",
    "1.2.840.113549.1.5.11": "PBE-SHA1-RC2-64",
    "1.2.840.113549.1.12.1.1": "PBE-SHA1-RC4-128",
    "1.2.840.113549.1.12.1.2": "PBE-SHA1-RC4-40",
    "1.2.840.113549.1.12.1.5": "PBE-SHA1-RC2-128",
    RC2_40: "PBE-SHA1-RC2-40",
}
DIGESTS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_FOR_KEY, _FOR_IV, _FOR_MAC = 1, 2, 3  # RFC 7292, B.3


class Unlocker:
    """A password and what it may cost. Shows neither."""

    __slots__ = ("_left", "_password")

    def __init__(self, password: bytes | None) -> None:
        """`password`: as it was typed, UTF-8; None when none was given."""
        self._password, self._left = password, LIMITS.iterations

    @property
    def has_password(self) -> bool:
        return self._password is not None

    def decrypted(self, algorithm: der.Node, data: bytes) -> bytes:
        """What `data` hides under this AlgorithmIdentifier. Raises `PasswordNeeded`, `PasswordWrong`, `MaterialUnreadable`."""
        kind, parameters = algorithm.child(0).oid, algorithm.child(1, der.SEQUENCE)
        if kind == PBES2:
            return self._pbes2(parameters, data)
        if kind in (TRIPLE_DES_3, TRIPLE_DES_2):
            size = 24 if kind == TRIPLE_DES_3 else 16
            salt, rounds = parameters.child(0, der.OCTET_STRING).content, parameters.child(1).number
            key, iv = (self._pkcs12("sha1", salt, rounds, *what) for what in ((_FOR_KEY, size), (_FOR_IV, 8)))
            return _opened(TripleDES(key if size == 24 else key + key[:8]), iv, data)
        raise _unsupported("加密方式", "encryption", _OUTDATED.get(kind, kind))

    def mac(self, digest: str, salt: bytes, rounds: int, data: bytes) -> bytes:
        """PKCS#12's MAC over the authenticated safe. Raises `PasswordNeeded`."""
        size = hashlib.new(digest, usedforsecurity=False).digest_size
        return hmac.digest(self._pkcs12(digest, salt, rounds, _FOR_MAC, size), data, digest)

    def pem_decrypted(self, cipher: str, iv: bytes, data: bytes) -> bytes:
        """Old PEM (`DEK-Info`): the key comes from MD5, once. Read for compatibility; never written."""
        if cipher not in _OLD_PEM:
            raise _unsupported("PEM 加密", "PEM encryption", cipher[:32])
        make, size, block = _CIPHERS[_OLD_PEM[cipher]]
        if len(iv) != block:
            raise der.broken()
        key = part = b""
        while len(key) < size:
            part = hashlib.md5(part + self._typed() + iv[:8], usedforsecurity=False).digest()
            key += part
        return _opened(make(key[:size]), iv, data)

    def pkcs12_password(self) -> bytes:
        """The password for `cryptography`'s own PKCS#12. Raises `PasswordNeeded`."""
        return self._typed()

    def _pbes2(self, parameters: der.Node, data: bytes) -> bytes:
        derivation, scheme = parameters.child(0), parameters.child(1)
        if scheme.child(0).oid not in _CIPHERS:
            raise _unsupported("加密算法", "cipher", scheme.child(0).oid)
        make, size, block = _CIPHERS[scheme.child(0).oid]
        iv = scheme.child(1, der.OCTET_STRING).content
        if len(iv) != block:
            raise der.broken()
        kind, values = derivation.child(0).oid, derivation.child(1, der.SEQUENCE)
        if kind == PBKDF2:
            return _opened(make(self._pbkdf2(values, size)), iv, data)
        if kind == SCRYPT:
            return _opened(make(self._scrypt(values, size)), iv, data)
        raise _unsupported("口令派生", "key derivation", kind)

    def _pbkdf2(self, values: der.Node, size: int) -> bytes:
        salt, rounds = values.child(0, der.OCTET_STRING).content, self.pay(values.child(1).number)
        rest = [node for node in values.children[2:] if node.tag == der.SEQUENCE]
        kind = rest[0].child(0).oid if rest else "1.2.840.113549.2.7"
        if kind not in _PRF:
            raise _unsupported("伪随机函数", "pseudo-random function", kind)
        try:
            return PBKDF2HMAC(_PRF[kind](), size, salt, rounds).derive(self._typed())
        except UnsupportedAlgorithm:
            raise unreadable(f"本机密码库不支持 {kind}", f"the library here does not support {kind}") from None

    def _scrypt(self, values: der.Node, size: int) -> bytes:
        cost, block, parallel = (values.child(place).number for place in (1, 2, 3))
        if min(cost, block, parallel) < 1 or cost * block * parallel * 128 > LIMITS.scrypt_bytes:
            raise _too_costly()
        try:
            kdf = Scrypt(values.child(0, der.OCTET_STRING).content, size, cost, block, parallel)
        except ValueError:
            raise der.broken() from None
        return kdf.derive(self._typed())

    def pay(self, rounds: int) -> int:
        """So many iterations, if the file may still cost them. Raises `MaterialUnreadable`."""
        if rounds < 1:
            raise der.broken()
        self._left -= rounds
        if self._left < 0:
            raise _too_costly()
        return rounds

    def _typed(self) -> bytes:
        if self._password is None:
            raise PasswordNeeded
        return self._password

    def _pkcs12(self, digest: str, salt: bytes, rounds: int, purpose: int, size: int) -> bytes:
        """RFC 7292, B.2. The password is BMPString, ended by two zero octets."""
        hashed: Callable[..., hashlib._Hash] = functools.partial(getattr(hashlib, digest), usedforsecurity=False)
        block = hashed().block_size
        try:
            typed = self._typed().decode("utf-8").encode("utf-16-be") + b"\0\0"
        except UnicodeDecodeError:
            raise PasswordWrong from None
        mixed = bytearray(_filled(salt, block) + _filled(typed, block))
        result, diversifier = b"", bytes([purpose]) * block
        while True:
            part = diversifier + bytes(mixed)
            for _ in range(self.pay(rounds)):
                part = hashed(part).digest()
            result += part
            if len(result) >= size:
                return result[:size]
            addend = int.from_bytes(_filled(part, block)[:block], "big") + 1
            for start in range(0, len(mixed), block):
                total = int.from_bytes(mixed[start : start + block], "big") + addend
                mixed[start : start + block] = (total % (1 << 8 * block)).to_bytes(block, "big")


def _filled(data: bytes, block: int) -> bytes:
    """`data` repeated up to the next whole number of blocks; nothing stays nothing."""
    whole = -(-len(data) // block) * block
    return (data * (whole // len(data) + 1))[:whole] if data else b""


def _opened(cipher: CipherAlgorithm, iv: bytes, data: bytes) -> bytes:
    """CBC with PKCS#7 padding. Broken padding means another password, nearly always."""
    unpadder = PKCS7(len(iv) * 8).unpadder()
    try:
        decryptor = Cipher(cipher, modes.CBC(iv)).decryptor()
        plain = decryptor.update(data) + decryptor.finalize()
        return unpadder.update(plain) + unpadder.finalize()
    except ValueError:
        raise PasswordWrong from None


def _unsupported(zh: str, en: str, name: str) -> MaterialUnreadable:
    again = "openssl pkcs8 -topk8 -v2 aes-256-cbc"
    return unreadable(
        f"不支持的{zh} {name}；请用 {again} 重新加密", f"the {en} {name} is not supported; encrypt it anew by `{again}`"
    )


def _too_costly() -> Exception:
    return unreadable("口令派生的迭代次数过大，已拒绝", "deriving its key would cost too much, so it is refused")
