"""What every certificate made here has in common: names, validity, extensions (RFC 5280), whatever the algorithm.

Certificates go by real time, never by the platform's clock; they begin five minutes early, so that a clock slightly
behind still takes them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from kaipiao.errors import SealFault
from kaipiao.language import Text

ORGANISATION = "Kaipiao"
Extensions = list[tuple[x509.ExtensionType, bool]]  # (extension, critical)
_EARLY = timedelta(minutes=5)


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


def authority_extensions(identifier: x509.SubjectKeyIdentifier) -> Extensions:
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


def extended(builder: x509.CertificateBuilder, extensions: Extensions) -> x509.CertificateBuilder:
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder
