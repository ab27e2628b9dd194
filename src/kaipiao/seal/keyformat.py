"""SM2 keys as DER and PEM: PKCS#8 (RFC 5958), EC private key (RFC 5915), SubjectPublicKeyInfo (RFC 5480), certificate.

Read strictly and rebuilt from the numbers in it: foreign bytes never reach native SM2 code. The curve is named
(1.2.156.10197.1.301, GM/T 0006-2012) and points are not compressed. No fault shows what was read.
"""

from __future__ import annotations

import base64
from typing import Annotated, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import serialization

from kaipiao.errors import KeyMalformed
from kaipiao.language import Text
from kaipiao.seal import curve

EC_PUBLIC_KEY = x509.ObjectIdentifier("1.2.840.10045.2.1")
SM2_CURVE = x509.ObjectIdentifier("1.2.156.10197.1.301")

T = TypeVar("T")


@asn1.sequence
class KeyAlgorithm:
    algorithm: x509.ObjectIdentifier
    curve: x509.ObjectIdentifier


@asn1.sequence
class PublicKeyInfo:
    algorithm: KeyAlgorithm
    key: asn1.BitString


@asn1.sequence
class EcPrivateKey:
    version: int
    scalar: bytes
    curve: Annotated[x509.ObjectIdentifier | None, asn1.Explicit(0)]
    point: Annotated[asn1.BitString | None, asn1.Explicit(1)]


@asn1.sequence
class PrivateKeyInfo:
    version: int
    algorithm: KeyAlgorithm
    key: bytes


@asn1.sequence
class TbsCertificate:
    """RFC 5280, 4.1.2, as far as every certificate of version 3 has it."""

    version: Annotated[int, asn1.Explicit(0)]
    serial: int
    signature: asn1.TLV
    issuer: asn1.TLV
    validity: asn1.TLV
    subject: asn1.TLV
    public_key: asn1.TLV
    extensions: Annotated[asn1.TLV, asn1.Explicit(3)]


@asn1.sequence
class SignedCertificate:
    """A certificate as far as one needs to check or to make its signature."""

    tbs: asn1.TLV
    algorithm: asn1.TLV
    signature: asn1.BitString


_ALGORITHM = KeyAlgorithm(algorithm=EC_PUBLIC_KEY, curve=SM2_CURVE)


def spki(point: bytes) -> bytes:
    """SubjectPublicKeyInfo of a point 04 ‖ X ‖ Y."""
    return asn1.encode_der(PublicKeyInfo(algorithm=_ALGORITHM, key=asn1.BitString(point, 0)))


def point_of_spki(der: bytes) -> bytes:
    """The point 04 ‖ X ‖ Y, on the curve. Raises `KeyMalformed`."""
    info = _decoded(PublicKeyInfo, der)
    _require_sm2(info.algorithm)
    return checked_point(whole_bytes(info.key))


def checked_point(point: bytes) -> bytes:
    """The point itself. Raises `KeyMalformed` unless it is 04 ‖ X ‖ Y and on the curve."""
    if not curve.is_point(point):
        raise KeyMalformed(
            Text("公钥不是 SM2 曲线上未压缩的点。", "The public key is not an uncompressed point of the SM2 curve.")
        )
    return point


def whole_bytes(bits: asn1.BitString) -> bytes:
    """A BIT STRING that stands for bytes. Raises `KeyMalformed` when its last bits are declared unused."""
    if bits.padding_bits():
        raise KeyMalformed(Text("密钥的 DER 编码有误。", "The DER of the key is broken."))
    return bits.as_bytes()


def pkcs8(scalar: bytes, point: bytes | None) -> bytes:
    """PKCS#8 of a private key, unencrypted, with its public key where that is known."""
    inner = EcPrivateKey(
        version=1, scalar=scalar, curve=SM2_CURVE, point=None if point is None else asn1.BitString(point, 0)
    )
    return asn1.encode_der(PrivateKeyInfo(version=0, algorithm=_ALGORITHM, key=asn1.encode_der(inner)))


def read_pkcs8(der: bytes) -> tuple[bytes, bytes | None]:
    """(scalar, point or None). Raises `KeyMalformed`."""
    info = _decoded(PrivateKeyInfo, der)
    _require_sm2(info.algorithm)
    inner = _decoded(EcPrivateKey, info.key)
    point = None if inner.point is None else checked_point(whole_bytes(inner.point))
    return _checked_scalar(inner), point


def scalar_of_sec1(der: bytes) -> bytes:
    """The scalar of an EC private key as OpenSSL writes it. Raises `KeyMalformed`."""
    return _checked_scalar(_decoded(EcPrivateKey, der))


def spki_of_certificate(certificate: bytes) -> bytes:
    """SubjectPublicKeyInfo of a certificate of version 3, PEM or DER. Raises `KeyMalformed`."""
    tbs = _decoded(TbsCertificate, parsed_certificate(certificate).tbs_certificate_bytes)
    return asn1.encode_der(tbs.public_key)


def certificate_signature(certificate: x509.Certificate) -> bytes:
    """The signature value as it stands in the certificate. Raises `KeyMalformed`."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    return whole_bytes(_decoded(SignedCertificate, der).signature)


def parsed_certificate(certificate: bytes) -> x509.Certificate:
    """PEM (the first of several) or DER. Raises `KeyMalformed`."""
    pem = certificate.lstrip().startswith(b"-----BEGIN ")
    try:
        return (x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate)(certificate)
    except (ValueError, x509.InvalidVersion):
        raise KeyMalformed(Text("证书无法解析。", "The certificate cannot be read.")) from None


def pem(label: str, der: bytes) -> bytes:
    """RFC 7468."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def _checked_scalar(key: EcPrivateKey) -> bytes:
    if key.version != 1 or key.curve not in (None, SM2_CURVE) or not curve.is_scalar(key.scalar):
        raise KeyMalformed(Text("不是有效的 SM2 私钥。", "It is not a valid SM2 private key."))
    return key.scalar


def _require_sm2(algorithm: KeyAlgorithm) -> None:
    if algorithm.algorithm != EC_PUBLIC_KEY or algorithm.curve != SM2_CURVE:
        raise KeyMalformed(Text("不是 SM2 密钥。", "It is not an SM2 key."))


def _decoded(kind: type[T], der: bytes) -> T:
    try:
        return asn1.decode_der(kind, der)
    except ValueError:
        raise KeyMalformed(Text("密钥的 DER 编码有误。", "The DER of the key is broken.")) from None
