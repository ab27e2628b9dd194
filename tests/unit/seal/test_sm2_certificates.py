"""SM2 certificates: readable by a general parser, verified by our SM2, refused when anything is off."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from kaipiao.errors import KeyMalformed
from kaipiao.seal.certificates import expires_at, new_authority, sm2_certificate, sm2_issued_by, sm2_self_signed
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2PublicKey

AUTHORITY_KEY, SIGNER_KEY = Sm2PrivateKey.generate(), Sm2PrivateKey.generate()
AUTHORITY = sm2_self_signed("测试 SM2 CA", AUTHORITY_KEY, days=30)
SIGNER = sm2_certificate(AUTHORITY, AUTHORITY_KEY, "某某公司 发票专用章", SIGNER_KEY.public_key)


def test_a_general_parser_reads_what_was_meant() -> None:
    certificate = x509.load_pem_x509_certificate(SIGNER)
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "某某公司 发票专用章"
    assert certificate.issuer == x509.load_pem_x509_certificate(AUTHORITY).subject
    assert certificate.signature_algorithm_oid.dotted_string == "1.2.156.10197.1.501"
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert Sm2PublicKey.from_certificate(SIGNER) == SIGNER_KEY.public_key


def test_the_chain_of_two_holds_and_no_other() -> None:
    assert sm2_issued_by(SIGNER, AUTHORITY)
    assert sm2_issued_by(AUTHORITY, AUTHORITY)
    assert not sm2_issued_by(AUTHORITY, SIGNER)
    assert not sm2_issued_by(SIGNER, sm2_self_signed("测试 SM2 CA", Sm2PrivateKey.generate()))


def test_an_end_certificate_cannot_issue() -> None:
    below = sm2_certificate(SIGNER, SIGNER_KEY, "下级", Sm2PrivateKey.generate().public_key)
    assert not sm2_issued_by(below, SIGNER)


def test_it_holds_within_its_time_only() -> None:
    now = datetime.now(UTC)
    assert expires_at(SIGNER) == expires_at(AUTHORITY)
    assert not sm2_issued_by(SIGNER, AUTHORITY, at=now - timedelta(hours=1))
    assert sm2_issued_by(SIGNER, AUTHORITY, at=now + timedelta(days=29))
    assert not sm2_issued_by(SIGNER, AUTHORITY, at=now + timedelta(days=31))


def test_any_changed_byte_breaks_it_in_words() -> None:
    der = ssl.PEM_cert_to_DER_cert(SIGNER.decode())
    for at, flip in product(range(len(der)), (0x01, 0x20)):
        changed = der[:at] + bytes([der[at] ^ flip]) + der[at + 1 :]
        assert not sm2_issued_by(changed, AUTHORITY), at
        for read in (Sm2PublicKey.from_certificate, expires_at):
            with suppress(KeyMalformed):
                assert read(changed)


def test_a_signature_with_bits_declared_unused_does_not_hold() -> None:
    der = ssl.PEM_cert_to_DER_cert(SIGNER.decode())
    signature = x509.load_der_x509_certificate(der).signature
    while signature[-1] & 1:
        fresh = sm2_certificate(AUTHORITY, AUTHORITY_KEY, "另一枚", SIGNER_KEY.public_key)
        der = ssl.PEM_cert_to_DER_cert(fresh.decode())
        signature = x509.load_der_x509_certificate(der).signature
    at = len(der) - len(signature) - 1
    assert sm2_issued_by(der, AUTHORITY)
    assert not sm2_issued_by(der[:at] + b"\x01" + der[at + 1 :], AUTHORITY)


@pytest.mark.parametrize(
    "junk", [b"", b"-----BEGIN CERTIFICATE-----", b"\x30\x03\x02\x01\x01", new_authority("P").certificate_pem]
)
def test_junk_and_other_algorithms_do_not_hold(junk: bytes) -> None:
    assert not sm2_issued_by(junk, AUTHORITY)
    assert not sm2_issued_by(SIGNER, junk)


def test_an_authority_signs_with_its_own_key_only() -> None:
    with pytest.raises(KeyMalformed):
        sm2_certificate(AUTHORITY, SIGNER_KEY, "冒充", SIGNER_KEY.public_key)
