"""Certificates out of DER, PKCS#7 and electronic seals; what `cryptography` leaves for later is parsed at once."""

from __future__ import annotations

import warnings

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from kaipiao.errors import MaterialUnreadable
from kaipiao.seal.importing import der, keys
from kaipiao.seal.importing.der import unreadable
from kaipiao.seal.importing.found import Found
from kaipiao.seal.importing.limits import LIMITS

_SIGNED = ("1.2.840.113549.1.7.2", "1.2.156.10197.6.1.4.2.2")  # PKCS#7, and GM/T 0010-2012
_SEAL_ID = b"ES"  # GB/T 38540-2020, the header of an electronic seal


def certificate(data: bytes, form: str = "X.509") -> Found:
    """Raises `MaterialUnreadable`."""
    try:
        parsed = _parsed(data)
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm):
        raise unreadable("证书无法解析", "the certificate cannot be read") from None
    public = _public_key(der.read(parsed.tbs_certificate_bytes))
    algorithm, curve = keys.described(public)
    return Found("certificate", algorithm, curve, form, public.raw, parsed)


def _parsed(data: bytes) -> x509.Certificate:
    """Real certificates have longer names than X.520 allows: that is no reason to speak of it here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        parsed = x509.load_der_x509_certificate(data)
        _ = parsed.subject, parsed.issuer, parsed.not_valid_before_utc, parsed.not_valid_after_utc
    return parsed


def is_signed_data(node: der.Node) -> bool:
    return der.tags(node) == [der.OID, 0xA0] and node.child(0).oid in _SIGNED


def of_signed_data(info: der.Node) -> list[Found]:
    """The certificates of a PKCS#7; who signed what is not looked at."""
    parts = info.child(1, 0xA0).child(0, der.SEQUENCE).children
    held = [one for part in parts if part.tag == 0xA0 for one in part.children if one.tag == der.SEQUENCE]
    return [certificate(one.raw, "PKCS#7") for one in held[: LIMITS.objects]]


def is_seal(node: der.Node) -> bool:
    """An electronic seal, or a signature made with one (SES_Signature, which has the seal inside)."""
    try:
        first = node.child(0, der.SEQUENCE).child(0)
        if first.tag == der.INTEGER:
            first = node.child(0).child(1, der.SEQUENCE).child(0, der.SEQUENCE).child(0)
        return first.tag == der.SEQUENCE and first.child(0, der.IA5).content == _SEAL_ID
    except MaterialUnreadable:
        return False


def of_seal(node: der.Node) -> list[Found]:
    """The seal itself, then the certificates in it, each once."""
    found: dict[bytes, Found] = {}
    for data in _octet_strings(node, 0):
        try:
            found.setdefault(data, certificate(data, "SES"))
        except MaterialUnreadable:
            continue  # the picture, a digest: nearly every octet string of a seal is no certificate
    return [Found("seal", "SES", None, "SES"), *list(found.values())[: LIMITS.objects]]


def _octet_strings(node: der.Node, depth: int) -> list[bytes]:
    if node.tag == der.OCTET_STRING:
        return [node.content] if node.content[:1] == b"\x30" else []
    if depth > LIMITS.nesting or not der.tags(node):
        return []
    return [data for child in node.children for data in _octet_strings(child, depth + 1)]


def _public_key(tbs: der.Node) -> der.Node:
    """SubjectPublicKeyInfo: after serial, algorithm, issuer, validity and subject (RFC 5280, 4.1)."""
    return tbs.child(6 if tbs.child(0).tag == 0xA0 else 5, der.SEQUENCE)
