"""`kaipiao keys` on a real data directory: what is written, what never is, and what a crash leaves."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from kaipiao.app import Platform
from kaipiao.cli.main import app
from kaipiao.cli.setup import set_up
from kaipiao.errors import (
    KaipiaoError,
    KekRefused,
    KeyAlreadyThere,
    KeyFileDamaged,
    KeyStoreUnusable,
    KeyUnsuitable,
    PasswordNeeded,
    PasswordWrong,
    SealFault,
    WrongKek,
)
from kaipiao.operations.scrape import Scrape
from kaipiao.seal import durable, keyformat
from kaipiao.seal.importing import rotation
from kaipiao.seal.importing.exclusive import exclusive
from kaipiao.seal.kek import load_or_create_kek
from kaipiao.seal.keystore import KeyStore
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2PublicKey
from kaipiao.settings import load
from key_material import PASSWORD, OpenSsl, openssl_in


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpenSsl:
    made = openssl_in(tmp_path_factory.mktemp("openssl"))
    made.authority("ca", "Authority of Taxes")
    made.issue("seal", "Seller", "ca")
    made.pkcs12("seal", "-certfile", "ca.crt")
    made.authority("p-ca", "Web Authority", "P-256")
    made.issue("client", "Client", "p-ca", "P-256", extensions="extendedKeyUsage=clientAuth")
    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    set_up(tmp_path / "data", None, 0)
    return tmp_path / "data"


def keys(home: Path, *words: str | Path, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """The JSON lines of `kaipiao keys …`. Raises what the command raises."""
    command = ["keys", *map(str, words), "-d", str(home), "--json"]
    done = CliRunner().invoke(app, command, env={"KAIPIAO_IMPORT_PASSWORD": None, **(env or {})})
    if isinstance(done.exception, KaipiaoError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def store(home: Path) -> KeyStore:
    return KeyStore(home / "keys", load_or_create_kek(home / "keys" / "kek"))


def state(home: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything about the directory: names, modes, times, bytes."""
    found = {}
    for path in sorted([home, *home.rglob("*")]):
        status = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(home))] = (status.st_mode, status.st_mtime_ns, content)
    return found


def test_a_dry_run_changes_nothing_at_all(home: Path, openssl: OpenSsl) -> None:
    (home / "keys").chmod(0o755)  # what the key store itself would set right
    before = state(home)
    (said,) = keys(
        home, "import", openssl.folder / "seal.p12", "--dry-run", "--password-file", openssl.folder / "password"
    )
    assert state(home) == before
    assert said["would_import"] == [
        {"id": None, "purpose": "seal", "algorithm": "SM2", "certificates": 2, "key_is_there": False}
    ]
    assert {one["kind"] for one in said["found"]} == {"private-key", "certificate"}
    assert all(one["belongs_together"] for one in said["found"] if one["kind"] == "private-key")


def test_a_dry_run_needs_no_data_directory_and_makes_none(tmp_path: Path, openssl: OpenSsl) -> None:
    (said,) = keys(tmp_path / "none", "import", openssl.folder / "seal.key", "--dry-run")
    assert said["environment"] == "production"
    assert not (tmp_path / "none").exists()


def test_an_imported_key_seals_and_its_certificates_lie_beside_it(home: Path, openssl: OpenSsl) -> None:
    files = [openssl.folder / name for name in ("seal.key", "seal.crt", "ca.crt")]
    (done,) = keys(home, "import", *files, "--purpose", "seal")
    assert done["setting"] == f'taxpayer.seal = "{done["id"]}"'
    seal = store(home).sealer(done["id"]).seal(b"invoice")
    assert Sm2PublicKey.from_certificate(openssl.data("seal.crt")).verify(b"invoice", seal.value)
    beside = home / "keys" / f"{done['id']}.cert.pem"
    assert beside.read_bytes().count(b"BEGIN CERTIFICATE") == 2
    if os.name != "nt":
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    row = next(row for row in keys(home, "list") if row["id"] == done["id"])
    assert 59 < row["days_left"] < 61
    (shown,) = keys(home, "show", done["id"])
    assert shown["found"][0]["good_for"] == ["seal", "audit"]
    assert shown["public_key"].startswith("-----BEGIN PUBLIC KEY-----")


def test_what_is_there_is_never_written_over(home: Path, openssl: OpenSsl) -> None:
    files = [openssl.folder / name for name in ("seal.key", "seal.crt")]
    keys(home, "import", *files, "--id", "mine")
    before = state(home)
    with pytest.raises(KeyAlreadyThere):
        keys(home, "import", *files)
    other = openssl.folder / "another.key"
    openssl.key("another.key")
    with pytest.raises(SealFault, match="taken"):
        keys(home, "import", other, "--id", "mine")
    assert {n: s[2] for n, s in state(home).items()} == {n: s[2] for n, s in before.items()}


def test_an_import_cut_off_before_the_certificate_is_finished_by_the_next(
    home: Path, openssl: OpenSsl, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [openssl.folder / name for name in ("seal.key", "seal.crt")]
    create = durable.create

    def full_disk(path: Path, data: bytes) -> None:
        if path.name.endswith(".cert.pem"):
            raise OSError(28, "No space left on device")
        create(path, data)

    monkeypatch.setattr(durable, "create", full_disk)
    with pytest.raises(KeyStoreUnusable):
        keys(home, "import", *files, "--id", "mine")
    monkeypatch.undo()
    (done,) = keys(home, "import", *files)
    assert (done["id"], done["key_is_there"]) == ("mine", True)
    assert store(home).certificates("mine") is not None


def test_a_certificate_may_come_after_its_key(home: Path, openssl: OpenSsl, tmp_path: Path) -> None:
    made = keys(home, "create", "--purpose", "seal")[0]["id"]
    private = Sm2PrivateKey.from_pkcs8_der(store(home)._secret(made, "SM2"))
    (openssl.folder / "late.key").write_bytes(keyformat.pem("PRIVATE KEY", private.to_pkcs8_der()))
    openssl.issue("late", "Late", "ca")
    (done,) = keys(home, "import", openssl.folder / "late.crt", openssl.folder / "ca.crt")
    assert (done["id"], done["certificates"]) == (made, 2)


def test_what_is_not_good_for_the_purpose_is_refused_and_nothing_is_written(home: Path, openssl: OpenSsl) -> None:
    openssl.key("rsa.key", "RSA-2048")
    openssl.key("stranger.key")
    openssl.authority("test-ca", "税务测试CA2(SM2)")
    openssl.issue("t", "T", "test-ca")
    before = state(home / "keys")
    for names, purpose in (
        (["rsa.key"], None),
        (["seal.key", "seal.crt", "rsa.key"], None),  # all or nothing
        (["client.key"], "seal"),
        (["seal.key"], "token"),
        (["client.key"], "tls-client"),
        (["stranger.key", "seal.crt"], "seal"),
        (["t.key", "t.crt"], None),
        (["seal.crt"], None),
    ):
        words: list[str | Path] = [
            *(openssl.folder / name for name in names),
            *(["--purpose", purpose] if purpose else []),
        ]
        with pytest.raises(KeyUnsuitable):
            keys(home, "import", *words)
        if purpose is not None:
            with pytest.raises(KeyUnsuitable):
                keys(home, "import", *words, "--dry-run")
    assert state(home / "keys") == before


def test_a_client_key_of_p256_is_imported(home: Path, openssl: OpenSsl) -> None:
    files = [openssl.folder / name for name in ("client.key", "client.crt", "p-ca.crt")]
    (done,) = keys(home, "import", *files)
    assert (done["purpose"], done["algorithm"]) == ("tls-client", "P-256")
    assert store(home).p256(done["id"]).curve.name == "secp256r1"


def test_the_password_comes_from_a_file_or_the_environment_and_never_from_an_argument(
    home: Path, openssl: OpenSsl
) -> None:
    p12 = openssl.folder / "seal.p12"
    with pytest.raises(PasswordNeeded):
        keys(home, "import", p12, "--dry-run")
    with pytest.raises(PasswordWrong):
        keys(home, "import", p12, "--dry-run", env={"KAIPIAO_IMPORT_PASSWORD": "another"})
    assert keys(home, "import", p12, "--dry-run", env={"KAIPIAO_IMPORT_PASSWORD": PASSWORD.decode()})
    command: Any = typer.main.get_command(app)
    options = {opt for one in command.commands["keys"].commands["import"].params for opt in one.opts}
    assert "--password" not in options


@pytest.mark.parametrize("dry", [True, False])
def test_nothing_secret_is_said(home: Path, openssl: OpenSsl, dry: bool) -> None:
    words = ["keys", "import", str(openssl.folder / "seal.p12"), "-d", str(home), *(["--dry-run"] if dry else [])]
    done = CliRunner().invoke(app, words, env={"KAIPIAO_IMPORT_PASSWORD": PASSWORD.decode()})
    assert done.exit_code == 0
    der = openssl.run("pkcs8", "-topk8", "-nocrypt", "-in", "seal.key", "-outform", "DER")
    scalar = der[der.index(b"\x04\x20") + 2 :][:32]
    whole = done.output + done.stdout + done.stderr
    assert "SM3" in whole or not dry
    assert scalar.hex() not in whole.lower()
    assert PASSWORD.decode() not in whole
    for path in home.rglob("*"):
        assert not path.is_file() or scalar not in path.read_bytes()


def test_rewrap_changes_the_kek_while_another_seals(home: Path) -> None:
    old = load_or_create_kek(home / "keys" / "kek")
    serving = store(home)
    name = serving.create("seal", "SM2")
    sealer, seals, stop = serving.sealer(name), [], threading.Event()

    def seal() -> None:
        while not stop.is_set():
            seals.append(sealer.seal(b"invoice"))

    thread = threading.Thread(target=seal)
    thread.start()
    try:
        assert keys(home, "rewrap") == [{"rewrapped": 4}]
    finally:
        stop.set()
        thread.join()
    assert seals
    assert all(store(home).sealer(name).verify(b"invoice", one) for one in seals[-3:])
    with pytest.raises(WrongKek):
        KeyStore(home / "keys", old).list()
    assert not (home / "keys" / "kek.next").exists()


@pytest.mark.parametrize("survived", range(5))
def test_a_rewrap_cut_off_anywhere_is_finished_by_the_next(
    home: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """Three keys are replaced, then the KEK itself: `survived` says after how many the power fails."""
    store(home).create("seal", "SM2", "seal-1")
    replace = durable.replace
    done: list[Path] = []

    def failing(path: Path, data: bytes) -> None:
        if len(done) == survived:
            raise OSError(5, "Input/output error")
        replace(path, data)
        done.append(path)

    monkeypatch.setattr(durable, "replace", failing)
    with pytest.raises((KeyStoreUnusable, OSError)):
        rotation.rotate(home / "keys", home / "keys" / "kek")
    monkeypatch.undo()
    assert (home / "keys" / "kek.next").exists()
    assert rotation.rotate(home / "keys", home / "keys" / "kek") == 4
    assert store(home).sealer("seal-1").seal(b"x")
    assert not (home / "keys" / "kek.next").exists()


def test_a_rewrap_whose_last_step_failed_does_not_take_the_same_kek_again(home: Path) -> None:
    kek = home / "keys" / "kek"
    (home / "keys" / "kek.next").write_bytes(kek.read_bytes())
    (home / "keys" / "kek.next").chmod(0o600)
    old = load_or_create_kek(kek)
    assert rotation.rotate(home / "keys", kek) == 3
    assert load_or_create_kek(kek) != old


def test_a_kek_that_is_not_ours_to_change_is_left_alone(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kaipiao-kek").write_bytes((home / "keys" / "kek").read_bytes())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    before = state(home)
    with pytest.raises(KekRefused):
        rotation.rotate(home / "keys", home / "keys" / "kek")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(KekRefused):
        rotation.rotate(home / "keys", home / "keys" / "absent")
    assert state(home) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no lock of a directory")
def test_a_key_is_never_made_under_a_kek_that_is_just_being_replaced(home: Path) -> None:
    """Who writes waits for the rotation, and reads the key-encryption key after it."""
    made: list[str] = []
    writer = threading.Thread(target=lambda: made.append(keys(home, "create", "--purpose", "seal")[0]["id"]))
    with exclusive(home / "keys"):
        writer.start()
        writer.join(0.5)
        assert made == []
        rotation._rotated(home / "keys", home / "keys" / "kek")
    writer.join(20)
    assert store(home).sealer(made[0]).seal(b"x")


def test_create_takes_the_algorithm_of_the_purpose(home: Path) -> None:
    (made,) = keys(home, "create", "--purpose", "token")
    assert made["algorithm"] == "P-256"
    with pytest.raises(KaipiaoError, match="KP-SETTINGS-06"):
        keys(home, "create", "--purpose", "seal", "--algorithm", "P-256")


@pytest.mark.parametrize(("days", "word"), [(1, "expires-soon"), (4, None)])
def test_the_list_says_which_certificate_nears_its_end(
    home: Path, openssl: OpenSsl, days: int, word: str | None
) -> None:
    name = f"days-{days}"
    openssl.issue(name, "Seller", "ca", days=days)
    keys(home, "import", openssl.folder / f"{name}.key", openssl.folder / f"{name}.crt", "--id", name)
    row = next(row for row in keys(home, "list") if row["id"] == name)
    assert [remark["word"] for remark in row["remarks"]] == ([word] if word else [])
    said = CliRunner().invoke(app, ["keys", "list", "-d", str(home)])
    assert (f"! {name}" in said.stderr) == (word is not None)
    assert len(said.stdout.splitlines()) == 4


def test_the_list_says_whose_certificate_is_damaged(home: Path, openssl: OpenSsl) -> None:
    keys(home, "import", *(openssl.folder / one for one in ("seal.key", "seal.crt")), "--id", "mine")
    (home / "keys" / "mine.cert.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA")
    with pytest.raises(KeyFileDamaged, match=r"mine\.cert\.pem"):
        keys(home, "list")


def test_a_running_platform_tells_when_the_certificates_of_its_key_store_end(home: Path, openssl: OpenSsl) -> None:
    keys(home, "import", *(openssl.folder / one for one in ("seal.key", "seal.crt", "ca.crt")), "--id", "mine")
    platform = Platform(home, load(home))

    async def scraped() -> str:
        await platform.start(issuing=False)
        try:
            page = await Scrape(platform.metrics, platform._figures().families).page(None, lambda _: True)
        finally:
            await platform.stop()
        return page.content.decode()

    (line,) = (one for one in asyncio.run(scraped()).splitlines() if "key:mine" in one)
    assert line.startswith('kaipiao_certificate_expiry_seconds{certificate="key:mine",channel="keys"} ')
    assert 59 * 86400 < float(line.split()[-1]) < 61 * 86400
