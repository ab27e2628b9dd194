"""Files that `openssl` wrote, in every form that is promised, and real certificates: read as what they are."""

from __future__ import annotations

import base64
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kaipiao.errors import MaterialUnreadable, PasswordNeeded, PasswordWrong, SealFault
from kaipiao.seal.importing.found import Found
from kaipiao.seal.importing.reading import read_material
from kaipiao.seal.sm2 import Sm2PrivateKey
from key_material import PASSWORD, OpenSsl, openssl_in


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpenSsl:
    made = openssl_in(tmp_path_factory.mktemp("openssl"))
    for name, curve in (("sm2", "SM2"), ("p256", "P-256")):
        made.key(f"{name}.key", curve)
        made.authority(f"{name}-ca", f"Test Authority {curve}", curve)
        made.issue(name, f"Seller {curve}", f"{name}-ca", curve)
    return made


def public_of(openssl: OpenSsl, name: str) -> bytes:
    return openssl.run("pkey", "-in", f"{name}.key", "-pubout", "-outform", "DER")


def one_key(found: list[Found]) -> Found:
    (key,) = [one for one in found if one.kind == "private-key"]
    return key


def works(key: Found) -> bool:
    """Can the secret do what such a key does?"""
    if isinstance(key.secret, Sm2PrivateKey):
        return key.secret.public_key.verify(b"data", key.secret.sign(b"data"))
    return isinstance(key.secret, ec.EllipticCurvePrivateKey)


ENCRYPTIONS = [
    ("-v2", "aes-128-cbc"),
    ("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"),
    ("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"),
    ("-v2", "sm4-cbc"),
    ("-v2", "des-ede3-cbc"),
    ("-v1", "PBE-SHA1-3DES"),
    ("-v1", "PBE-SHA1-2DES"),
    ("-scrypt",),
]


@pytest.mark.parametrize("name", ["sm2", "p256"])
@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_plain_pkcs8_and_sec1_are_read(openssl: OpenSsl, name: str, form: str) -> None:
    plain = ("-topk8", "-nocrypt")
    for command, more, written in (("pkcs8", plain, "PKCS#8"), ("ec", (), "SEC1")):
        key = one_key(read_material(openssl.run(command, "-in", f"{name}.key", "-outform", form, *more)))
        assert works(key)
        assert key.public_key == public_of(openssl, name)
        assert key.form == written


@pytest.mark.parametrize("name", ["sm2", "p256"])
@pytest.mark.parametrize("how", ENCRYPTIONS, ids=" ".join)
def test_encrypted_pkcs8_opens_with_its_password_only(openssl: OpenSsl, name: str, how: tuple[str, ...]) -> None:
    for form in ("PEM", "DER"):
        words = ["-topk8", "-in", f"{name}.key", "-outform", form, "-passout", "file:password", *how]
        data = openssl.run("pkcs8", *words)
        assert one_key(read_material(data, PASSWORD)).public_key == public_of(openssl, name)
        with pytest.raises(PasswordNeeded):
            read_material(data)
        for wrong in (b"", b"another", PASSWORD + b"\n", b"\xff\xfe"):
            with pytest.raises(PasswordWrong):
                read_material(data, wrong)


@pytest.mark.parametrize("cipher", ["-aes256", "-aes128", "-des3", "-sm4"])
def test_old_encrypted_pem_is_read(openssl: OpenSsl, cipher: str) -> None:
    data = openssl.run("ec", "-in", "sm2.key", cipher, "-passout", "file:password")
    assert b"DEK-Info" in data
    assert one_key(read_material(data, PASSWORD)).public_key == public_of(openssl, "sm2")
    with pytest.raises(PasswordNeeded):
        read_material(data)
    with pytest.raises(PasswordWrong):
        read_material(data, b"another")


@pytest.mark.parametrize("name", ["sm2", "p256"])
@pytest.mark.parametrize(
    "how",
    [
        (),
        ("-legacy",),
        ("-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
        ("-certpbe", "NONE", "-keypbe", "NONE", "-nomac"),
        ("-certpbe", "SM4-CBC", "-keypbe", "SM4-CBC", "-macalg", "sha512"),
        ("-keysig", "-name", "签章", "-iter", "100000"),
    ],
    ids=lambda how: " ".join(how) or "modern",
)
def test_pkcs12_gives_key_and_certificates(openssl: OpenSsl, name: str, how: tuple[str, ...]) -> None:
    data = openssl.pkcs12(name, "-certfile", f"{name}-ca.crt", *how)
    found = read_material(data, PASSWORD)
    assert works(one_key(found))
    assert sorted(one.kind for one in found) == ["certificate", "certificate", "private-key"]
    assert sum(one.public_key == public_of(openssl, name) for one in found) == 2
    if "-nomac" not in how:
        with pytest.raises(PasswordWrong):
            read_material(data, b"another")
        with pytest.raises(PasswordNeeded):
            read_material(data)


def test_pkcs12_without_a_password_opens_without_one(openssl: OpenSsl) -> None:
    openssl.run("pkcs12", "-export", "-inkey", "sm2.key", "-in", "sm2.crt", "-passout", "pass:", "-out", "empty.p12")
    assert works(one_key(read_material(openssl.data("empty.p12"))))


def test_many_things_in_one_file_with_the_line_ends_and_marks_of_windows(openssl: OpenSsl) -> None:
    parameters = openssl.run("ecparam", "-name", "SM2")
    whole = (
        b"text before\n" + parameters + b"".join(map(openssl.data, ("sm2.key", "sm2.crt", "p256.key", "sm2-ca.crt")))
    )
    windows = whole.replace(b"\n", b"\r\n")
    for data in (whole, windows, b"\xef\xbb\xbf" + windows, windows.decode("ascii").encode("utf-16")):
        kinds = [(one.kind, one.curve) for one in read_material(data)]
        assert kinds == [
            ("private-key", "SM2"),
            ("certificate", "SM2"),
            ("private-key", "P-256"),
            ("certificate", "SM2"),
        ]


def test_pkcs7_der_and_bare_base64_give_their_certificates(openssl: OpenSsl) -> None:
    words = ["-nocrl", "-certfile", "sm2.crt", "-certfile", "sm2-ca.crt"]
    for form in ("PEM", "DER"):
        assert len(read_material(openssl.run("crl2pkcs7", *words, "-outform", form))) == 2
    der = openssl.run("x509", "-in", "sm2.crt", "-outform", "DER")
    (found,) = read_material(base64.encodebytes(der))
    assert found == read_material(der)[0]
    assert found.public_key == public_of(openssl, "sm2")


@pytest.mark.parametrize(
    ("curve", "algorithm", "named"),
    [("RSA-2048", "RSA-2048", None), ("Ed25519", "Ed25519", None), ("P-384", "EC", "P-384")],
)
def test_keys_that_nothing_here_uses_are_named_and_give_no_secret(
    openssl: OpenSsl, curve: str, algorithm: str, named: str | None
) -> None:
    key = one_key(read_material(openssl.key("other.key", curve)))
    assert (key.algorithm, key.curve, key.secret) == (algorithm, named, None)


def test_a_curve_spelled_out_in_numbers_is_not_taken(openssl: OpenSsl) -> None:
    words = ["-name", "prime256v1", "-param_enc", "explicit", "-genkey", "-noout"]
    key = one_key(read_material(openssl.run("ecparam", *words)))
    assert (key.curve, key.secret) == ("explicit", None)


def test_a_key_whose_public_half_is_anothers_is_refused(openssl: OpenSsl) -> None:
    for curve in ("SM2", "P-256"):
        openssl.key("a.key", curve)
        openssl.key("b.key", curve)
        ours, theirs = (openssl.run("ec", "-in", f, "-outform", "DER") for f in ("a.key", "b.key"))
        with pytest.raises(SealFault) as refused:
            read_material(ours[:-64] + theirs[-64:])
        assert refused.type is MaterialUnreadable


def test_real_seals_give_certificates_and_say_that_they_hold_no_key(samples: Path) -> None:
    for path in sorted((samples / "seal").glob("*.esl")):
        seal, *certificates = read_material(path.read_bytes())
        assert seal.kind == "seal"
        assert len(certificates) == 2
        assert {(one.kind, one.curve, one.secret) for one in certificates} == {("certificate", "SM2", None)}


def test_certificates_of_real_signatures_are_read(samples: Path) -> None:
    with zipfile.ZipFile(samples / "ofd" / "dianpu_2022_nuonuo_xbrl_signed_realCA.ofd") as package:
        seal, certificate = read_material(package.read("Doc_0/Signs/Sign_0/SignedValue.dat"))
    assert certificate.certificate is not None
    assert "税务电子证书管理中心(SM2)" in certificate.certificate.issuer.rfc4514_string()
    assert seal.kind == "seal"
