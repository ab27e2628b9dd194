"""Who signed a certificate, as far as the certificates at hand tell. Revocation is not looked at (nothing is fetched)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from kaipiao.errors import KeyMalformed
from kaipiao.seal import keyformat
from kaipiao.seal.curve import USER_ID
from kaipiao.seal.importing.found import SM2, Found
from kaipiao.seal.importing.limits import LIMITS
from kaipiao.seal.sm2 import Sm2PublicKey
from kaipiao.seal.sm2_certificates import SM2_WITH_SM3


@dataclass(frozen=True, slots=True)
class Chain:
    """`links`: the certificate first, then those above it whose signature on the one below holds. `complete`: the last is
    its own issuer. `broken`: one with the issuer's name is here, but the signature is not its key's. `without_id`: broken only because
    it was made without the user id 1234567812345678 that GM/T 0009 asks for (OpenSSL does so unless told)."""

    links: tuple[Found, ...]
    complete: bool
    broken: bool
    without_id: bool = False

    @property
    def holds(self) -> bool | None:
        """Do the signatures hold? None where there was none to check: the issuer's certificate is not here."""
        if self.broken:
            return False
        return True if self.complete or self.authorities else None

    @property
    def authorities(self) -> int:
        """How many stand above the certificate itself."""
        return len(self.links) - 1


def chain_of(leaf: Found, pool: Sequence[Found]) -> Chain:
    """The chain from this certificate upwards, one link more than is allowed at most."""
    links = [leaf]
    while not is_self_issued(links[-1]) and len(links) <= LIMITS.chain_most + 1:
        named = [one for one in pool if _has_name(one, links[-1]) and one.der not in {link.der for link in links}]
        above = next((one for one in named if signed_by(links[-1], one)), None)
        if above is None:
            bare = any(signed_by(links[-1], one, b"") for one in named)
            return Chain(tuple(links), False, bool(named), bare)
        links.append(above)
    last = links[-1]
    own = is_self_issued(last)
    holds = own and signed_by(last, last)
    return Chain(tuple(links), holds, own and not holds, own and not holds and signed_by(last, last, b""))


def signed_by(lower: Found, upper: Found, user_id: bytes = USER_ID) -> bool:
    """Does the signature of `lower` hold under the key of `upper`, and may that sign certificates? SM2 by our own."""
    if lower.certificate is None or upper.certificate is None or not _may_sign(upper.certificate, lower.certificate):
        return False
    try:
        if lower.certificate.signature_algorithm_oid == SM2_WITH_SM3:
            signature = keyformat.certificate_signature(lower.certificate)
            key = Sm2PublicKey.from_spki_der(upper.public_key)
            return upper.curve == SM2 and key.verify(lower.certificate.tbs_certificate_bytes, signature, user_id)
        lower.certificate.verify_directly_issued_by(upper.certificate)
    except (KeyMalformed, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_self_issued(one: Found) -> bool:
    return one.certificate is not None and one.certificate.subject == one.certificate.issuer


def is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False


def _may_sign(upper: x509.Certificate, lower: x509.Certificate) -> bool:
    """An authority may; anyone may stand at the end of his own certificate."""
    return lower.issuer == upper.subject and (is_authority(upper) or upper == lower)


def _has_name(candidate: Found, lower: Found) -> bool:
    if candidate.certificate is None or lower.certificate is None:
        return False
    return candidate.certificate.subject == lower.certificate.issuer
