"""`serve` speaks TLS itself: to real clients, on a real port, with certificates that are sound, foreign, late or open to others."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from running import kaipiao

from kaipiao_lab.processes import Command

DAY = datetime.timedelta(days=1)


def certified(home: Path, name: str, *, days: tuple[int, int] = (-1, 30), mode: int = 0o600) -> None:
    """A self-signed certificate for an address or a name, in the data directory."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kaipiao test")])
    now = datetime.datetime.now(datetime.UTC)
    numeric = name.replace(".", "").isdigit()
    place: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name)) if numeric else x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * DAY)
        .not_valid_after(now + days[1] * DAY)
        .add_extension(x509.SubjectAlternativeName([place]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (home / "tls.crt").write_bytes(made.public_bytes(Encoding.PEM))
    (home / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (home / "tls.key").chmod(mode)


def prepared(
    tmp_path: Path, host: str = "127.0.0.1", lines: str = 'tls_certificate = "tls.crt"\ntls_key = "tls.key"'
) -> Path:
    home = tmp_path / "home"
    assert kaipiao("init", "-d", home, "--port", "0", cwd=tmp_path).code == 0
    settings = home / "kaipiao.toml"
    text = settings.read_text("utf-8")
    settings.write_text(text.replace("port = 0\n", f'port = 0\nhost = "{host}"\n{lines}\n'), encoding="utf-8")
    return home


@pytest.fixture
def servers() -> Iterator[list[Command]]:
    started: list[Command] = []
    yield started
    for one in started:
        one.stop()


def serving(home: Path, servers: list[Command]) -> str:
    server = Command(["serve", "-d", str(home), "--json"], home / "log")
    servers.append(server)
    return str(server.start()["url"])


def trusting(home: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(home / "tls.crt"))


def health(url: str, context: ssl.SSLContext) -> Any:
    with urllib.request.urlopen(f"{url}/healthz", timeout=10, context=context) as answer:
        return json.loads(answer.read())


def test_a_client_that_trusts_the_certificate_is_served_and_commands_on_the_machine_too(
    tmp_path: Path, servers: list[Command]
) -> None:
    home = prepared(tmp_path)
    certified(home, "127.0.0.1")
    url = serving(home, servers)
    assert url.startswith("https://127.0.0.1:")
    assert health(url, trusting(home))["status"] == "ok"
    done = kaipiao("status", "-d", home, "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.last()["environment"] == "production"
    assert kaipiao("audit", "verify", "-d", home, "--json", cwd=tmp_path).code == 0
    assert "KP-SETTINGS-10" not in (home / "log").read_text("utf-8")


def test_with_tls_every_address_of_the_machine_may_be_served(tmp_path: Path, servers: list[Command]) -> None:
    home = prepared(tmp_path, host="0.0.0.0")
    certified(home, "127.0.0.1")
    url = serving(home, servers)
    assert health(url, trusting(home))["status"] == "ok"
    assert kaipiao("status", "-d", home, cwd=tmp_path).code == 0


def test_plain_http_on_the_tls_port_gets_no_answer_and_harms_no_other(tmp_path: Path, servers: list[Command]) -> None:
    home = prepared(tmp_path)
    certified(home, "127.0.0.1")
    url = serving(home, servers)
    port = int(url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret-token\r\n\r\n")
        try:
            answered = plain.recv(4096)
        except ConnectionError:
            answered = b""
    assert b"HTTP/1.1" not in answered
    assert health(url, trusting(home))["status"] == "ok"
    for line in (home / "log").read_text("utf-8").splitlines():
        assert "secret-token" not in line
        assert json.loads(line).get("trace") is None, line


@pytest.mark.parametrize(("version", "served"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_nothing_older_than_tls_1_2_is_spoken(
    tmp_path: Path, servers: list[Command], version: str, served: bool
) -> None:
    home = prepared(tmp_path)
    certified(home, "127.0.0.1")
    url = serving(home, servers)
    context = trusting(home)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1") if not served else nullcontext():
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    if served:
        assert health(url, context)["status"] == "ok"
    else:
        with pytest.raises(urllib.error.URLError):
            health(url, context)


def test_under_another_name_a_caller_refuses_it_and_commands_on_the_machine_do_not(
    tmp_path: Path, servers: list[Command]
) -> None:
    home = prepared(tmp_path)
    certified(home, "kaipiao.shop.example")
    url = serving(home, servers)
    with pytest.raises(urllib.error.URLError, match=r"mismatch|not valid for"):
        health(url, trusting(home))
    assert kaipiao("status", "-d", home, cwd=tmp_path).code == 0


def test_who_answers_with_another_certificate_is_told_nothing(tmp_path: Path, servers: list[Command]) -> None:
    home = prepared(tmp_path)
    certified(home, "127.0.0.1")
    serving(home, servers)
    told = json.loads((home / "server.json").read_text("utf-8"))
    (home / "server.json").write_text(json.dumps({**told, "certificate_sha256": "0" * 64}), encoding="utf-8")
    done = kaipiao("status", "-d", home, cwd=tmp_path)
    assert done.code == 1
    assert "KP-CLI-03" in done.err
    assert "/v1/status" not in (home / "log").read_text("utf-8")


def test_a_certificate_that_was_renewed_on_disk_does_not_shut_commands_out(
    tmp_path: Path, servers: list[Command]
) -> None:
    home = prepared(tmp_path)
    certified(home, "127.0.0.1")
    serving(home, servers)
    certified(home, "127.0.0.1")
    assert kaipiao("status", "-d", home, cwd=tmp_path).code == 0


@pytest.mark.parametrize("days", [(-30, -1), (5, 30)])
def test_a_certificate_out_of_its_time_is_told_at_the_start_and_commands_still_work(
    tmp_path: Path, servers: list[Command], days: tuple[int, int]
) -> None:
    home = prepared(tmp_path)
    certified(home, "127.0.0.1", days=days)
    url = serving(home, servers)
    lines = [json.loads(line) for line in (home / "log").read_text("utf-8").splitlines()]
    (warning,) = [line for line in lines if line.get("code") == "KP-SETTINGS-10"]
    assert warning["level"] == "warning"
    with pytest.raises(urllib.error.URLError, match=r"expired|not yet valid"):
        health(url, trusting(home))
    assert kaipiao("status", "-d", home, cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda home: (home / "tls.key").chmod(0o640), "KP-SETTINGS-08"),
        (lambda home: (home / "tls.key").unlink(), "KP-SETTINGS-09"),
        (lambda home: (home / "tls.crt").unlink(), "KP-SETTINGS-09"),
        (lambda home: (home / "tls.crt").write_bytes(b"no certificate"), "KP-SETTINGS-09"),
        (lambda home: (home / "tls.key").write_bytes(b"no key"), "KP-SETTINGS-09"),
    ],
)
def test_files_that_cannot_be_used_stop_the_start_and_are_named(tmp_path: Path, harm: Any, code: str) -> None:
    home = prepared(tmp_path)
    certified(home, "127.0.0.1")
    harm(home)
    done = kaipiao("serve", "-d", home, cwd=tmp_path)
    assert done.code == 64
    assert code in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("lines", ['tls_certificate = "tls.crt"', 'tls_key = "tls.key"'])
def test_one_of_the_two_settings_alone_is_refused(tmp_path: Path, lines: str) -> None:
    done = kaipiao("serve", "-d", prepared(tmp_path, lines=lines), cwd=tmp_path)
    assert done.code == 64
    assert "tls_certificate, tls_key" in done.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "kaipiao.shop.example"])
def test_without_tls_only_loopback_is_served(tmp_path: Path, host: str) -> None:
    done = kaipiao("serve", "-d", prepared(tmp_path, host=host, lines=""), cwd=tmp_path)
    assert done.code == 64
    assert "server.tls_certificate" in done.err
