"""SM3 (GB/T 32905-2016, GM/T 0004-2012): the digest under every seal, event chain and content comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes

SIZE = 32  # bytes


def _by_hashlib(data: bytes) -> bytes:
    return hashlib.new("sm3", data).digest()


def _by_cryptography(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SM3())
    digest.update(data)
    return digest.finalize()


def choose() -> Callable[[bytes], bytes]:
    """hashlib where this Python's OpenSSL has SM3 (it is the faster one), else cryptography, which brings its own."""
    try:
        hashlib.new("sm3")
    except ValueError:
        return _by_cryptography
    return _by_hashlib


_sm3 = choose()


def sm3(data: bytes) -> bytes:
    """The 32 bytes of SM3(data)."""
    return _sm3(data)
