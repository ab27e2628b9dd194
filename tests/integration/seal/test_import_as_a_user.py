"""What a user hears who hands over the wrong thing: which file, what is wrong with it, in his language, at once."""

from __future__ import annotations

import fcntl
import os
import termios
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kaipiao.cli.main import app
from kaipiao.errors import KaipiaoError, PasswordWrong
from kaipiao.seal.importing import der
from kaipiao.seal.importing.limits import LIMITS
from key_material import PASSWORD, OpenSsl, openssl_in

UNDER_PBES1 = der.written(  # EncryptedPrivateKeyInfo under pbeWithMD5AndDES-CBC
    der.SEQUENCE,
    der.written(
        der.SEQUENCE,
        der.written(der.OID, bytes.fromhex("2a864886f70d010503")),
        der.written(der.SEQUENCE, der.written(der.OCTET_STRING, b"salt...."), der.written(der.INTEGER, b"\x08\x00")),
    ),
    der.written(der.OCTET_STRING, b"x" * 64),
)
WRONG = [
    (b"", "是空的", "is empty"),
    (b" \n", "不是已知的", "no form of key"),
    (b"hello\n", "不是已知的", "no form of key"),
    (b"\x00\x01", "不是已知的", "no form of key"),
    (b"basicConstraints=CA:true\n", "不是已知的", "no form of key"),
    (b"\x30\x82\x10\x00\x02\x01", "被截断", "cut off"),
    (b"-----BEGIN CERTIFICATE-----\nMIIB", "被截断", "cut off"),
    (b"x" * (LIMITS.file_bytes + 1), "1048576 字节", "1048576 bytes"),
    (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n", "ssh-keygen", "ssh-keygen"),
    (UNDER_PBES1, "PBE-MD5-DES；请用 openssl pkcs8", "PBE-MD5-DES is not supported; encrypt it anew"),
]


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpenSsl:
    made = openssl_in(tmp_path_factory.mktemp("openssl"))
    made.authority("ca", "Authority of Taxes")
    made.issue("seal", "Seller", "ca")
    made.pkcs12("seal")
    return made


def refused(*files: Path, env: dict[str, str] | None = None) -> KaipiaoError:
    words = ["keys", "import", *map(str, files), "--dry-run", "-d", "nowhere"]
    done = CliRunner().invoke(app, words, env={"KAIPIAO_IMPORT_PASSWORD": None, **(env or {})})
    assert isinstance(done.exception, KaipiaoError), done.output
    return done.exception


def said(*words: str | Path) -> str:
    done = CliRunner().invoke(app, ["keys", "import", *map(str, words), "--dry-run", "-d", "nowhere"])
    assert done.exit_code == 0, done.output
    return done.stderr


def closed_when_read(pipe: int) -> None:
    while fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4) != b"\0" * 4:
        time.sleep(0.01)
    os.close(pipe)


@pytest.mark.parametrize(("content", "zh", "en"), WRONG, ids=[en for _, _, en in WRONG])
def test_the_file_is_named_and_what_is_wrong_with_it(
    tmp_path: Path, openssl: OpenSsl, content: bytes, zh: str, en: str
) -> None:
    (tmp_path / "wrong.bin").write_bytes(content)
    found = refused(openssl.folder / "seal.key", tmp_path / "wrong.bin", env={"KAIPIAO_IMPORT_PASSWORD": "x"})
    assert found.detail.zh.startswith("wrong.bin：")
    assert found.detail.en.startswith("wrong.bin: ")
    assert zh in found.detail.zh
    assert en in found.detail.en


def test_a_request_is_not_taken_for_the_certificate(openssl: OpenSsl) -> None:
    found = refused(openssl.folder / "seal.csr")
    assert "only a certificate request" in found.detail.en
    assert "证书请求" in found.detail.zh


def test_of_several_encrypted_files_the_one_is_named_whose_password_is_another(openssl: OpenSsl) -> None:
    found = refused(openssl.folder / "seal.crt", openssl.folder / "seal.p12", env={"KAIPIAO_IMPORT_PASSWORD": "no"})
    assert isinstance(found, PasswordWrong)
    assert found.detail.en.startswith("seal.p12: ")


def test_what_the_system_says_is_in_both_languages(tmp_path: Path) -> None:
    found = refused(tmp_path / "absent.pem")
    assert found.detail.zh.endswith("absent.pem: 没有这个文件或目录")
    assert found.detail.en.endswith("absent.pem: there is no such file or directory")


def test_a_pipe_that_nobody_writes_to_is_empty_and_one_that_is_written_is_read(
    tmp_path: Path, openssl: OpenSsl
) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is empty" in refused(tmp_path / "pipe").detail.en
    held = os.open(tmp_path / "pipe", os.O_RDWR)  # as a shell holds the pipe of <(…)
    os.write(held, openssl.data("seal.key"))
    writer = threading.Thread(target=closed_when_read, args=(held,))
    writer.start()
    assert "SM2" in said(tmp_path / "pipe")
    writer.join()


def test_a_password_file_may_have_what_editors_add(tmp_path: Path, openssl: OpenSsl) -> None:
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbf" + PASSWORD + b"\r\n")
    assert "SM2" in said(openssl.folder / "seal.p12", "--password-file", tmp_path / "password")


def test_a_signature_that_nobody_could_check_is_not_said_to_hold(openssl: OpenSsl) -> None:
    alone = said(openssl.folder / "seal.crt")
    assert "签名未核验" in alone or "was not checked" in alone
    whole = said(openssl.folder / "seal.crt", openssl.folder / "ca.crt")
    assert "各级签名成立" in whole or "signatures hold" in whole
    assert "签名未核验" not in whole
    assert "was not checked" not in whole


def test_a_key_of_a_kind_that_libraries_warn_of_is_refused_by_its_name(openssl: OpenSsl) -> None:
    openssl.run("genpkey", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", "dh.key")
    assert "DH" in said(openssl.folder / "dh.key")
