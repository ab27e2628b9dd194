"""Our own authority: what its certificates say, and that a strict verifier takes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from kaipiao.errors import KeyMalformed, SealFault
from kaipiao.seal.certificates import CertifiedKey, expires_at, issue_client, issue_server, new_authority


@pytest.fixture(scope="module")
def authority() -> CertifiedKey:
    return new_authority("测试税局 CA")


def parsed(key: CertifiedKey) -> x509.Certificate:
    return x509.load_pem_x509_certificate(key.certificate_pem)


def verify(key: CertifiedKey, anchor: CertifiedKey, name: str) -> None:
    builder = PolicyBuilder().store(Store([parsed(anchor)]))
    builder.build_server_verifier(x509.DNSName(name)).verify(parsed(key), [])


def test_a_strict_verifier_takes_a_server_for_each_of_its_names(authority: CertifiedKey) -> None:
    server = issue_server(authority, ["bureau.test", "localhost", "127.0.0.1", "::1"])
    verify(server, authority, "bureau.test")
    verify(server, authority, "localhost")
    with pytest.raises(VerificationError):
        verify(server, authority, "other.test")
    names = parsed(server).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]


def test_a_strict_verifier_refuses_another_authority(authority: CertifiedKey) -> None:
    with pytest.raises(VerificationError):
        verify(issue_server(authority, ["bureau.test"]), new_authority("测试税局 CA"), "bureau.test")


def test_a_client_is_no_server(authority: CertifiedKey) -> None:
    client = issue_client(authority, "直连单位 0001")
    usage = parsed(client).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert parsed(client).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "直连单位 0001"
    parsed(client).verify_directly_issued_by(parsed(authority))
    with pytest.raises(VerificationError):
        verify(client, authority, "直连单位 0001".encode("idna").decode("ascii").replace(" ", "-"))


def test_the_authority_may_sign_certificates_and_the_others_not(authority: CertifiedKey) -> None:
    for key, may in ((authority, True), (issue_server(authority, ["a.test"]), False)):
        extensions = parsed(key).extensions
        assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is may
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.key_cert_sign is may
        assert usage.value.digital_signature is not may


def test_each_certificate_names_its_issuers_key(authority: CertifiedKey) -> None:
    own = parsed(authority).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    for key in (authority, issue_server(authority, ["a.test"]), issue_client(authority, "c")):
        issuer = parsed(key).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert issuer.key_identifier == own.digest


def test_the_end_is_known_and_never_after_the_authoritys() -> None:
    short = new_authority("short", days=10)
    assert timedelta(days=9) < expires_at(short.certificate_pem) - datetime.now(UTC) < timedelta(days=11)
    assert expires_at(issue_client(short, "c", days=365).certificate_pem) == expires_at(short.certificate_pem)
    assert expires_at(issue_client(short, "c", days=1).certificate_pem) < expires_at(short.certificate_pem)


def test_the_private_key_is_not_shown(authority: CertifiedKey) -> None:
    assert b"PRIVATE KEY" in authority.key_pem
    assert "PRIVATE KEY" not in repr(authority)


@pytest.mark.parametrize("names", [[], [""], ["税局.test"], ["x" * 70]])
def test_unusable_server_names_are_refused(authority: CertifiedKey, names: list[str]) -> None:
    with pytest.raises(SealFault):
        issue_server(authority, names)


@pytest.mark.parametrize("name", ["", "n" * 65])
def test_unusable_common_names_are_refused(authority: CertifiedKey, name: str) -> None:
    with pytest.raises(SealFault):
        issue_client(authority, name)


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", b"\x30\x82"])
def test_a_broken_certificate_or_authority_is_refused(authority: CertifiedKey, pem: bytes) -> None:
    with pytest.raises(KeyMalformed):
        expires_at(pem)
    with pytest.raises(KeyMalformed):
        issue_client(CertifiedKey(pem, authority.key_pem), "c")
    with pytest.raises(KeyMalformed):
        issue_client(CertifiedKey(authority.certificate_pem, pem), "c")


def test_an_authority_signs_with_its_own_key_only(authority: CertifiedKey) -> None:
    with pytest.raises(KeyMalformed):
        issue_client(CertifiedKey(authority.certificate_pem, new_authority("other").key_pem), "c")
