"""SM3 (GB/T 32905-2016, GM/T 0004-2012): the digest under every seal, event chain and content comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes

# For more at a time hashlib lets go of the interpreter; to get it back among busy threads takes longer than the digest of
# a document.
_AT_A_TIME = 2047  # bytes
_LARGE = 65_536  # bytes; worth letting go


def _by_hashlib(data: bytes) -> bytes:
    digest = _empty.copy()  # a copy costs half of making one by name
    if _AT_A_TIME < len(data) < _LARGE:
        for start in range(0, len(data), _AT_A_TIME):
            digest.update(data[start : start + _AT_A_TIME])
    else:
        digest.update(data)
    value: bytes = digest.digest()
    return value


def _by_cryptography(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize()


class RunningSm3:
    """SM3 of what comes piece by piece."""

    def __init__(self) -> None:
        self._hash = hashes.Hash(hashes.SM3())

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        """Of everything so far. Called once."""
        return self._hash.finalize()


def choose() -> Callable[[bytes], bytes]:
    """hashlib where this Python's OpenSSL has SM3 (it is the faster one), else cryptography, which brings its own."""
    try:
        hashlib.new("sm3")
    except ValueError:
        return _by_cryptography
    return _by_hashlib


_sm3 = choose()
_empty: Any = hashlib.new("sm3") if _sm3 is _by_hashlib else None


def sm3(data: bytes) -> bytes:
    """The 32 bytes of SM3(data)."""
    return _sm3(data)
