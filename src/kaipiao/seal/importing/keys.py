"""Private and public keys out of DER: SM2 by our own reading, others by `cryptography`; what neither takes is named."""

from __future__ import annotations

import warnings

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.utils import CryptographyDeprecationWarning

from kaipiao.errors import MaterialUnreadable, SealFault, Sm2Missing
from kaipiao.seal import keyformat
from kaipiao.seal.importing import der
from kaipiao.seal.importing.der import unreadable
from kaipiao.seal.importing.found import P256, SM2, Found, Secret
from kaipiao.seal.sm2 import Sm2PrivateKey

EC_OID, SM2_OID = "1.2.840.10045.2.1", "1.2.156.10197.1.301"
_P256_OID = "1.2.840.10045.3.1.7"
_CURVES = {
    SM2_OID: SM2,
    _P256_OID: P256,
    "1.3.132.0.34": "P-384",
    "1.3.132.0.35": "P-521",
    "1.3.132.0.33": "P-224",
    "1.2.840.10045.3.1.1": "P-192",
    "1.3.132.0.10": "secp256k1",
}
_OTHERS = {
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.10040.4.1": "DSA",
    "1.2.840.113549.1.3.1": "DH",
    "1.3.101.110": "X25519",
    "1.3.101.111": "X448",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
_SIZE = 32  # bytes of a scalar of both curves


def of_pkcs8(info: der.Node, form: str = "PKCS#8") -> Found:
    """A PrivateKeyInfo (attributes after the key are left alone). Raises `MaterialUnreadable`."""
    algorithm = info.child(1, der.SEQUENCE)
    kind, curve = _algorithm(algorithm)
    if kind == EC_OID and curve in (SM2_OID, _P256_OID):
        return of_sec1(der.read(info.child(2, der.OCTET_STRING).content), form, curve)
    return _other(info.raw, kind, curve, form)


def of_sec1(key: der.Node, form: str = "SEC1", curve: str | None = None) -> Found:
    """An ECPrivateKey; its curve is its own or that of what it lies in. Raises `MaterialUnreadable`."""
    named, point = _sec1_parts(key)
    curve = curve or named
    if curve is None or named not in (None, curve):
        raise unreadable("椭圆曲线私钥没有写明曲线", "the elliptic-curve key does not name its curve")
    if curve not in (SM2_OID, _P256_OID):
        return Found("private-key", "EC", _CURVES.get(curve, curve), form)
    scalar = key.child(1, der.OCTET_STRING).content.lstrip(b"\0").rjust(_SIZE, b"\0")
    if len(scalar) != _SIZE:
        raise der.broken()
    secret = _sm2(scalar, point) if curve == SM2_OID else _p256(scalar, point)
    return private(secret, form)


def of_rsa(key: der.Node) -> Found:
    """PKCS#1. Only its public part is looked at."""
    return Found("private-key", f"RSA-{_bits(key.child(1, der.INTEGER).content)}", None, "PKCS#1")


def private(secret: Secret, form: str) -> Found:
    if isinstance(secret, Sm2PrivateKey):
        return Found("private-key", SM2, SM2, form, secret.public_key.to_spki_der(), secret=secret)
    return Found("private-key", "EC", P256, form, _spki(secret.public_key()), secret=secret)


def described(spki: der.Node) -> tuple[str, str | None]:
    """(algorithm, curve) of a SubjectPublicKeyInfo. Raises `MaterialUnreadable`."""
    kind, curve = _algorithm(spki.child(0, der.SEQUENCE))
    if kind == EC_OID:
        name = _CURVES.get(curve or "", curve or "explicit")
        return (SM2 if name == SM2 else "EC"), name
    name = _OTHERS.get(kind, kind)
    if name == "RSA":
        return f"RSA-{_bits(der.read(spki.child(1).bits).child(0, der.INTEGER).content)}", None
    return name, None


def _algorithm(algorithm: der.Node) -> tuple[str, str | None]:
    """(OID, OID of the curve). SM2 is also met with its curve's OID in place of the algorithm's."""
    parts = algorithm.children
    if not parts:
        raise der.broken()
    kind = parts[0].oid
    if kind == SM2_OID:
        return EC_OID, SM2_OID
    return kind, parts[1].oid if len(parts) > 1 and parts[1].tag == der.OID else None


def _sec1_parts(key: der.Node) -> tuple[str | None, bytes | None]:
    """(OID of the curve, point), each None where it is not written."""
    curve = point = None
    for part in key.children[2:]:
        if part.tag == 0xA0 and der.tags(part) == [der.OID]:
            curve = part.child(0).oid
        elif part.tag == 0xA0:
            curve = "explicit"
        elif part.tag == 0xA1:
            point = part.child(0, der.BIT_STRING).bits
    return curve, point


def _sm2(scalar: bytes, point: bytes | None) -> Sm2PrivateKey:
    try:
        return Sm2PrivateKey.from_pkcs8_der(keyformat.pkcs8(scalar, point))
    except Sm2Missing:
        raise
    except SealFault as fault:
        raise MaterialUnreadable(fault.detail) from None


def _p256(scalar: bytes, point: bytes | None) -> ec.EllipticCurvePrivateKey:
    try:
        key = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
    except ValueError:
        raise unreadable("不是有效的 P-256 私钥", "it is not a valid P-256 private key") from None
    form = serialization.PublicFormat
    ours = [
        key.public_key().public_bytes(serialization.Encoding.X962, kind)
        for kind in (form.UncompressedPoint, form.CompressedPoint)
    ]
    if point is not None and point not in ours:
        raise unreadable("私钥与其公钥不符", "the private key does not belong to its public key")
    return key


def _other(raw: bytes, kind: str, curve: str | None, form: str) -> Found:
    """A key that nothing here can use: said by name, with its public key if `cryptography` can tell it."""
    if kind == EC_OID:
        return Found("private-key", "EC", _CURVES.get(curve or "", curve or "explicit"), form)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # it is refused anyway
            public = serialization.load_der_private_key(raw, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Found("private-key", _OTHERS.get(kind, kind), None, form)
    name = f"RSA-{public.key_size}" if isinstance(public, rsa.RSAPublicKey) else _OTHERS.get(kind, kind)
    encoding = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return Found("private-key", name, None, form, public.public_bytes(*encoding))


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _bits(number: bytes) -> int:
    return int.from_bytes(number, "big").bit_length()
