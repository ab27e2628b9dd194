"""Secrets of accounts at rest: closed under a key of the key store, bound to the account they belong to.

The key store's key (purpose `account`, P-256) only carries 32 secret bytes and never signs: from them a key for AES-GCM is
derived. It lies under the key-encryption key like every other, so that one can be changed without touching the ledger.
"""

from __future__ import annotations

import hmac
import json
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kaipiao.errors import KeyUnknown, SealFault
from kaipiao.language import Text
from kaipiao.seal import envelope
from kaipiao.seal.envelope import Envelope

PURPOSE = "account"
_LABEL = b"kaipiao account secrets 1"
_MARK = b"kaipiao account marks 1"


class AccountKeys(Protocol):
    """The keys that secrets are closed under."""

    def current(self) -> str:
        """The id of the one to close with; made when there is none."""
        ...

    def key(self, key_id: str) -> EllipticCurvePrivateKey: ...


class KeyOfThisProcess:
    """`AccountKeys` that nothing outlives."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())

    def current(self) -> str:
        return f"{PURPOSE}-of-this-process"

    def key(self, key_id: str) -> EllipticCurvePrivateKey:
        if key_id != self.current():
            raise KeyUnknown
        return self._key


class Strongbox:
    """Every node needs the same keys. Raises `SealFault` where they are not there or something was altered."""

    def __init__(self, keys: AccountKeys) -> None:
        self._keys = keys

    def close(self, account: str, secret: bytes) -> str:
        key_id = self._keys.current()
        closed = envelope.close(self._derived(key_id), _header(account), secret)
        return json.dumps({"key": key_id, "wrapped": closed.wrapped_key.hex(), "body": closed.body.hex()})

    def open(self, account: str, closed: str) -> bytes:
        try:
            parts = json.loads(closed)
            sealed = Envelope(bytes.fromhex(parts["wrapped"]), bytes.fromhex(parts["body"]))
            return envelope.open_(self._derived(str(parts["key"])), _header(account), sealed)
        except (ValueError, KeyError, TypeError, envelope.Unopened) as altered:
            raise SealFault(
                Text("账户的一次性密码密钥无法打开", "The secret of an account's codes cannot be opened"),
                code="KP-SEAL-16",
            ) from altered

    def mark(self, secret: bytes) -> bytes:
        """32 bytes that tell whether two secrets are the same, on every node, and are worth nothing to whoever reads them
        without the keys: a plain digest of a password could be guessed at."""
        return hmac.digest(self._derived(self._keys.current(), _MARK), secret, "sha256")

    def _derived(self, key_id: str, label: bytes = _LABEL) -> bytes:
        secret = self._keys.key(key_id).private_numbers().private_value.to_bytes(32)
        return HKDF(SHA256(), envelope.KEY_SIZE, None, label).derive(secret)


def _header(account: str) -> bytes:
    return b"kaipiao totp 1\0" + account.encode()
