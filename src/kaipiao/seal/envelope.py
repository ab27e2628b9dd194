"""A secret at rest: AES-256-GCM under a data key of its own, which is wrapped by the key-encryption key (KEK).

Both layers bind the header (who the key is, what for) as associated data, each under its own label: a flipped bit, an
exchanged part or a foreign header does not open. Changing the KEK re-wraps 32 bytes and never touches the secret.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_SIZE = 32  # bytes
_NONCE_SIZE = 12  # bytes, random: few messages per key
_WRAP, _BODY = b"kaipiao wrap 1\0", b"kaipiao body 1\0"


class Unopened(Exception):
    """Another key, or altered bytes: AES-GCM does not tell which."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Each part is nonce ‖ cipher text ‖ tag. Nothing in it is secret."""

    wrapped_key: bytes
    body: bytes


def kek_id(kek: bytes) -> str:
    """16 hex digits that tell two KEKs apart and nothing about them."""
    return hmac.new(kek, b"kaipiao kek id", sha256).hexdigest()[:16]


def close(kek: bytes, header: bytes, secret: bytes) -> Envelope:
    data_key = secrets.token_bytes(KEY_SIZE)
    return Envelope(_encrypt(kek, _WRAP + header, data_key), _encrypt(data_key, _BODY + header, secret))


def check(kek: bytes, header: bytes, envelope: Envelope) -> None:
    """Raises `Unopened` unless the header is the one that was closed with it. The secret stays closed."""
    _decrypt(kek, _WRAP + header, envelope.wrapped_key)


def open_(kek: bytes, header: bytes, envelope: Envelope) -> bytes:
    """The secret. Raises `Unopened`."""
    return _decrypt(_decrypt(kek, _WRAP + header, envelope.wrapped_key), _BODY + header, envelope.body)


def rewrap(old_kek: bytes, new_kek: bytes, header: bytes, envelope: Envelope) -> Envelope:
    """The same secret under another KEK; the body stays as it is. Raises `Unopened`."""
    data_key = _decrypt(old_kek, _WRAP + header, envelope.wrapped_key)
    return Envelope(_encrypt(new_kek, _WRAP + header, data_key), envelope.body)


def _encrypt(key: bytes, associated: bytes, plain: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, plain, associated)


def _decrypt(key: bytes, associated: bytes, data: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(data[:_NONCE_SIZE], data[_NONCE_SIZE:], associated)
    except (InvalidTag, ValueError):
        raise Unopened from None
