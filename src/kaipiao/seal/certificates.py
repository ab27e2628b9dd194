"""A small authority of our own, for the sandbox and for tests: P-256 certificates for servers and clients (RFC 5280).

It is nobody's trust anchor but its owner's. The SM2 certificates of seals are offered here too.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from kaipiao.errors import KeyMalformed, SealFault
from kaipiao.language import Text
from kaipiao.seal import keyformat
from kaipiao.seal.certificate_form import (
    Extensions,
    authority_extensions,
    extended,
    key_usage,
    subject,
    unsigned,
    validity,
)
from kaipiao.seal.sm2_certificates import sm2_certificate, sm2_issued_by, sm2_self_signed

__all__ = [
    "CertifiedKey",
    "expires_at",
    "issue_client",
    "issue_server",
    "new_authority",
    "sm2_certificate",
    "sm2_issued_by",
    "sm2_self_signed",
]


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A certificate and its private key (PKCS#8, unencrypted), both PEM. The key is not shown by repr."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


def new_authority(common_name: str, days: int = 3650) -> CertifiedKey:
    """A self-signed authority that may sign end certificates, not further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject(common_name)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = extended(unsigned(name, name, validity(days)), authority_extensions(identifier))
    return _signed(builder, key, key)


def issue_server(authority: CertifiedKey, names: list[str], days: int = 365) -> CertifiedKey:
    """A server's certificate for these DNS names and IP addresses (the first is also its common name).

    Ends with the authority's at the latest. Raises `SealFault` without a usable name, `KeyMalformed` for a broken authority.
    """
    alternative = x509.SubjectAlternativeName([_general_name(name) for name in names])
    if not names:
        raise SealFault(Text("服务器证书至少要有一个名称。", "A server's certificate needs a name."))
    return _issued(authority, names[0], days, ExtendedKeyUsageOID.SERVER_AUTH, alternative)


def issue_client(authority: CertifiedKey, common_name: str, days: int = 365) -> CertifiedKey:
    """A client's certificate; the common name says who it is. Ends with the authority's at the latest."""
    return _issued(authority, common_name, days, ExtendedKeyUsageOID.CLIENT_AUTH, None)


def expires_at(pem: bytes) -> datetime:
    """The last instant of the (first) certificate, aware, UTC. Raises `KeyMalformed`."""
    return keyformat.parsed_certificate(pem).not_valid_after_utc


def _issued(
    authority: CertifiedKey,
    common_name: str,
    days: int,
    purpose: x509.ObjectIdentifier,
    alternative: x509.SubjectAlternativeName | None,
) -> CertifiedKey:
    issuer, issuer_key = keyformat.parsed_certificate(authority.certificate_pem), _private(authority)
    if issuer.public_key() != issuer_key.public_key():
        raise KeyMalformed(Text("签发者证书与私钥不符。", "The authority's certificate is not its key's."))
    key = ec.generate_private_key(ec.SECP256R1())
    begin, end = validity(days)
    builder = unsigned(subject(common_name), issuer.subject, (begin, min(end, issuer.not_valid_after_utc)))
    extensions: Extensions = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage(certificates=False), True),
        (x509.ExtendedKeyUsage([purpose]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
    ]
    if alternative is not None:
        extensions.append((alternative, False))
    return _signed(extended(builder, extensions), key, issuer_key)


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> CertifiedKey:
    certificate = builder.public_key(key.public_key()).sign(issuer_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return CertifiedKey(certificate.public_bytes(pem), secret)


def _private(authority: CertifiedKey) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(authority.key_pem, password=None)
    except (ValueError, TypeError):
        raise KeyMalformed(Text("签发者私钥无法读取。", "The authority's key cannot be read.")) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyMalformed(Text("签发者私钥不是椭圆曲线密钥。", "The authority's key is no elliptic-curve key."))
    return key


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass  # then it is a DNS name
    try:
        return x509.DNSName(name)
    except ValueError:
        raise SealFault(Text("不是可用的主机名。", "It is not a usable host name."), name=name) from None
