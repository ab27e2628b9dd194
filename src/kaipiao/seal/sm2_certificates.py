"""SM2 certificates (GM/T 0015-2012 on RFC 5280): made here, parsed by `cryptography.x509`, verified by our SM2.

The builder of `cryptography` knows no SM2. So it builds the certificate with a passing P-256 key, and in what is signed
the two places that name a key are replaced: the algorithm and the public key.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha1

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kaipiao.errors import KeyMalformed
from kaipiao.language import Text
from kaipiao.seal import certificate_form, keyformat
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2PublicKey

SM2_WITH_SM3 = x509.ObjectIdentifier("1.2.156.10197.1.501")


@asn1.sequence
class SignatureAlgorithm:
    algorithm: x509.ObjectIdentifier


def sm2_self_signed(common_name: str, key: Sm2PrivateKey, days: int = 3650) -> bytes:
    """An authority's own certificate, PEM. Raises `SealFault`."""
    name = certificate_form.subject(common_name)
    builder = certificate_form.unsigned(name, name, certificate_form.validity(days))
    identifier = _identifier(key.public_key)
    return _signed(
        certificate_form.extended(builder, certificate_form.authority_extensions(identifier)), key.public_key, key
    )


def sm2_certificate(
    authority_pem: bytes, authority_key: Sm2PrivateKey, common_name: str, key: Sm2PublicKey, days: int = 365
) -> bytes:
    """A certificate of a signer (a seal), PEM, ending with the authority's at the latest.

    Raises `KeyMalformed` when the authority's certificate is broken or is not that of `authority_key`."""
    if Sm2PublicKey.from_certificate(authority_pem) != authority_key.public_key:
        raise KeyMalformed(Text("签发者证书与私钥不符。", "The authority's certificate is not its key's."))
    issuer = keyformat.parsed_certificate(authority_pem)
    begin, end = certificate_form.validity(days)
    span = begin, min(end, issuer.not_valid_after_utc)
    above = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_identifier(authority_key.public_key))
    extensions: certificate_form.Extensions = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (certificate_form.key_usage(certificates=False), True),
        (_identifier(key), False),
        (above, False),
    ]
    builder = certificate_form.unsigned(certificate_form.subject(common_name), issuer.subject, span)
    return _signed(certificate_form.extended(builder, extensions), key, authority_key)


def sm2_issued_by(certificate: bytes, authority: bytes, at: datetime | None = None) -> bool:
    """Did this authority sign this certificate by SM2, may it, and were both valid at that instant (now, real time)?

    One step of a chain; PEM or DER. False too for anything malformed. Revocation is not looked at."""
    try:
        lower, upper = keyformat.parsed_certificate(certificate), keyformat.parsed_certificate(authority)
        return (
            _may_issue(upper, lower)
            and all(_valid(one, at or datetime.now(UTC)) for one in (lower, upper))
            and Sm2PublicKey.from_certificate(authority).verify(
                lower.tbs_certificate_bytes, keyformat.certificate_signature(lower)
            )
        )
    except (KeyMalformed, ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False  # names, times and extensions are parsed only when they are asked for


def _may_issue(upper: x509.Certificate, lower: x509.Certificate) -> bool:
    return (
        upper.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        and lower.issuer == upper.subject
        and lower.signature_algorithm_oid == SM2_WITH_SM3
    )


def _valid(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _identifier(key: Sm2PublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier(sha1(key.point, usedforsecurity=False).digest())  # RFC 5280, 4.2.1.2 (1)


def _signed(builder: x509.CertificateBuilder, key: Sm2PublicKey, signer: Sm2PrivateKey) -> bytes:
    passing = ec.generate_private_key(ec.SECP256R1())
    model = builder.public_key(passing.public_key()).sign(passing, hashes.SHA256())
    algorithm = _tlv(asn1.encode_der(SignatureAlgorithm(algorithm=SM2_WITH_SM3)))
    tbs = asn1.decode_der(keyformat.TbsCertificate, model.tbs_certificate_bytes)
    tbs.signature, tbs.public_key = algorithm, _tlv(key.to_spki_der())
    to_sign = asn1.encode_der(tbs)
    signature = asn1.BitString(signer.sign(to_sign), 0)
    whole = keyformat.SignedCertificate(tbs=_tlv(to_sign), algorithm=algorithm, signature=signature)
    return keyformat.pem("CERTIFICATE", asn1.encode_der(whole))


def _tlv(der: bytes) -> asn1.TLV:
    return asn1.decode_der(asn1.TLV, der)
