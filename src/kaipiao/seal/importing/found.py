"""What was found in a file: a private key, a certificate, a public key, or a seal (which holds certificates only)."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from kaipiao.seal.digest import sm3
from kaipiao.seal.sm2 import Sm2PrivateKey

Kind = Literal["private-key", "certificate", "public-key", "seal"]
SM2, P256 = "SM2", "P-256"
Secret = Sm2PrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Found:
    """`algorithm`: SM2, EC, RSA-2048, Ed25519, … `curve`: SM2, P-256, another's name, or None. `form`: how it was written.

    `public_key`: SubjectPublicKeyInfo in DER; empty where it cannot be told. `secret`: only of SM2 and P-256 keys."""

    kind: Kind
    algorithm: str
    curve: str | None
    form: str
    public_key: bytes = b""
    certificate: x509.Certificate | None = None
    secret: Secret | None = field(default=None, repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """Of the SubjectPublicKeyInfo, 64 hex digits; empty where that is not known."""
        return sha256(self.public_key).hexdigest() if self.public_key else ""

    @property
    def sm3(self) -> str:
        return sm3(self.public_key).hex() if self.public_key else ""

    @property
    def der(self) -> bytes:
        """The certificate in DER; empty for anything else."""
        return self.certificate.public_bytes(Encoding.DER) if self.certificate is not None else b""
