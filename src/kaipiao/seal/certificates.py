"""A small authority of our own, for the sandbox and for tests: P-256 certificates for servers and clients (RFC 5280).

It is nobody's trust anchor but its owner's. Certificates go by real time, never by the platform's clock; they begin
five minutes early, so that a clock slightly behind still takes them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kaipiao.errors import KeyMalformed, SealFault
from kaipiao.language import Text
from kaipiao.seal import keyformat

ORGANISATION = "Kaipiao"
_EARLY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A certificate and its private key (PKCS#8, unencrypted), both PEM. The key is not shown by repr."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


def new_authority(common_name: str, days: int = 3650) -> CertifiedKey:
    """A self-signed authority that may sign end certificates, not further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject(common_name)
    builder = unsigned(name, name, validity(days)).public_key(key.public_key())
    for extension, critical in authority_extensions(x509.SubjectKeyIdentifier.from_public_key(key.public_key())):
        builder = builder.add_extension(extension, critical)
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


def subject(common_name: str) -> x509.Name:
    """Raises `SealFault` for a name of 0 or more than 64 characters."""
    try:
        attributes = [(NameOID.ORGANIZATION_NAME, ORGANISATION), (NameOID.COMMON_NAME, common_name)]
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])
    except ValueError:
        raise SealFault(Text("证书名称须为 1 至 64 个字符。", "A certificate's name has 1 to 64 characters.")) from None


def validity(days: int) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - _EARLY, now + timedelta(days=days)


def unsigned(name: x509.Name, issuer: x509.Name, span: tuple[datetime, datetime]) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(subject_name=name, issuer_name=issuer, serial_number=x509.random_serial_number())
    return builder.not_valid_before(span[0]).not_valid_after(span[1])


def authority_extensions(identifier: x509.SubjectKeyIdentifier) -> list[tuple[x509.ExtensionType, bool]]:
    """(extension, critical) of an authority that stands directly above its end certificates."""
    return [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (key_usage(certificates=True), True),
        (identifier, False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    ]


def key_usage(*, certificates: bool) -> x509.KeyUsage:
    """An authority signs certificates and revocation lists, everybody else signs digests; nobody agrees on keys."""
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _issued(
    authority: CertifiedKey,
    common_name: str,
    days: int,
    purpose: x509.ObjectIdentifier,
    alternative: x509.SubjectAlternativeName | None,
) -> CertifiedKey:
    issuer, issuer_key = keyformat.parsed_certificate(authority.certificate_pem), _private(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    begin, end = validity(days)
    builder = unsigned(subject(common_name), issuer.subject, (begin, min(end, issuer.not_valid_after_utc)))
    issuer_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage(certificates=False), True),
        (x509.ExtendedKeyUsage([purpose]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_identifier), False),
    ]
    for extension, critical in extensions + ([] if alternative is None else [(alternative, False)]):
        builder = builder.add_extension(extension, critical)
    return _signed(builder.public_key(key.public_key()), key, issuer_key)


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> CertifiedKey:
    certificate = builder.sign(issuer_key, hashes.SHA256())
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
