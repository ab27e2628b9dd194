"""Our SM2, SM3 and SM4 against the `openssl` command line, in both directions."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

from kaipiao.seal import keyformat, sm4
from kaipiao.seal.certificates import sm2_certificate, sm2_issued_by, sm2_self_signed
from kaipiao.seal.digest import sm3
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2PublicKey

DATA = "<EInvoice>数电票</EInvoice>".encode() * 50
SM2_OPTIONS = ["-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678"]
OPENSSL = shutil.which("openssl")


def openssl(*arguments: object, stdin: bytes = b"", check: bool = True) -> bytes:
    done = subprocess.run(
        [str(OPENSSL), *map(str, arguments)], input=stdin, capture_output=True, check=check, timeout=20
    )
    return done.stdout


def offers(*arguments: str) -> bool:
    return OPENSSL is not None and openssl("list", *arguments, check=False).upper().count(b"SM") > 0


needs_openssl = pytest.mark.skipif(
    not offers("-digest-algorithms"),
    reason="没有带国密的 openssl 命令，未对照检验 / no `openssl` command with SM2, SM3 and SM4 here: nothing was compared",
)
pytestmark = needs_openssl


@pytest.mark.parametrize("length", [0, 1, 55, 56, 64, 10_000])
def test_sm3_is_the_same(length: int) -> None:
    data = secrets.token_bytes(length)
    assert openssl("dgst", "-sm3", "-binary", stdin=data) == sm3(data)


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 4096])
def test_sm4_is_the_same_both_ways(length: int) -> None:
    key, data = secrets.token_bytes(16), secrets.token_bytes(length)
    theirs = openssl("enc", "-sm4-ecb", "-K", key.hex(), stdin=data)
    assert theirs == sm4.encrypt_ecb(key, data)
    assert sm4.decrypt_ecb(key, theirs) == data
    assert openssl("enc", "-d", "-sm4-ecb", "-K", key.hex(), stdin=sm4.encrypt_ecb(key, data)) == data


def test_openssl_verifies_our_signature_with_our_key_files(tmp_path: Path) -> None:
    key = Sm2PrivateKey.generate()
    signature, public = tmp_path / "signature", tmp_path / "public.der"
    signature.write_bytes(key.sign(DATA))
    public.write_bytes(key.public_key.to_spki_der())
    (tmp_path / "data").write_bytes(DATA)
    verify = ["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", public, "-sigfile", signature, *SM2_OPTIONS]
    assert b"Success" in openssl(*verify, "-in", tmp_path / "data")
    (tmp_path / "data").write_bytes(DATA + b".")
    assert b"Success" not in openssl(*verify, "-in", tmp_path / "data", check=False)


def test_we_verify_openssls_signature_with_openssls_key_files(tmp_path: Path) -> None:
    private = tmp_path / "private.pem"
    openssl("genpkey", "-algorithm", "SM2", "-out", private)
    (tmp_path / "data").write_bytes(DATA)
    signature = openssl("pkeyutl", "-sign", "-inkey", private, "-in", tmp_path / "data", *SM2_OPTIONS)
    public = Sm2PublicKey.from_spki_der(openssl("pkey", "-in", private, "-pubout", "-outform", "DER"))
    assert public.verify(DATA, signature)
    assert not public.verify(DATA + b".", signature)
    ours = Sm2PrivateKey.from_pkcs8_der(openssl("pkcs8", "-topk8", "-nocrypt", "-in", private, "-outform", "DER"))
    assert ours.public_key == public


def test_openssl_signs_with_our_private_key_and_we_verify(tmp_path: Path) -> None:
    key = Sm2PrivateKey.generate()
    private = tmp_path / "private.pem"
    private.write_bytes(keyformat.pem("PRIVATE KEY", key.to_pkcs8_der()))
    (tmp_path / "data").write_bytes(DATA)
    signature = openssl("pkeyutl", "-sign", "-inkey", private, "-in", tmp_path / "data", *SM2_OPTIONS)
    assert key.public_key.verify(DATA, signature)


def test_the_command_line_that_was_compared_is_not_hashlib_in_disguise() -> None:
    assert openssl("dgst", "-sha256", "-binary", stdin=DATA) == hashlib.sha256(DATA).digest()


def test_openssl_takes_our_sm2_certificates(tmp_path: Path) -> None:
    authority_key, key = Sm2PrivateKey.generate(), Sm2PrivateKey.generate()
    authority = sm2_self_signed("测试 SM2 CA", authority_key)
    (tmp_path / "authority.pem").write_bytes(authority)
    (tmp_path / "signer.pem").write_bytes(sm2_certificate(authority, authority_key, "测试章", key.public_key))
    (tmp_path / "stranger.pem").write_bytes(sm2_self_signed("测试 SM2 CA", Sm2PrivateKey.generate()))
    verify = ["verify", "-x509_strict", "-vfyopt", "distid:1234567812345678", "-CAfile"]
    assert b"OK" in openssl(*verify, tmp_path / "authority.pem", tmp_path / "signer.pem")
    assert b"OK" not in openssl(*verify, tmp_path / "stranger.pem", tmp_path / "signer.pem", check=False)
    certificate = openssl(
        "req", "-x509", "-newkey", "SM2", "-nodes", "-keyout", tmp_path / "k.pem", "-subj", "/CN=openssl", "-sm3",
        "-sigopt", "distid:1234567812345678", "-days", "9", check=False,
    )  # fmt: skip
    assert sm2_issued_by(certificate, certificate)
