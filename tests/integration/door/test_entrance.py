"""How many come in: in all, of one source, in their TLS handshake; and what happens when no file is left."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from served import Served, answered, heard

from kaipiao.cli import entrance, files
from kaipiao.cli.entrance import Door, source_of
from kaipiao.cli.patience import Patience
from kaipiao.errors import DoorFull

GET = b"GET /at-once HTTP/1.1\r\nHost: x\r\n\r\n"


def said(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 2" in head
    found: dict[str, object] = json.loads(body)
    return found


@pytest.mark.parametrize(
    ("door", "why"), [(Door(3, 1.0), "full"), (Door(6, 0.5), "source")], ids=["all are taken", "one source's share"]
)
def test_who_comes_beyond_the_limit_is_told_at_once_and_the_next_is_served(door: Door, why: str) -> None:
    with Served(door=door) as served:
        inside = [served.connect() for _ in range(3)]
        for one in inside:
            one.sendall(GET)
            assert answered(one, b".")
        assert said(served.talk(GET))["code"] == DoorFull.code
        assert served.refused == [why]
        inside.pop().close()
        served.until(lambda: served.entrance.connections == 2, "who left is still counted")
        inside.append(served.connect())
        served.until(lambda: served.entrance.connections == 3, "the place that became free is not given")
        with served.connect() as late:
            assert said(heard(late))["status"] == 503
        for one in inside:
            one.close()


def test_a_flood_of_connections_is_answered_or_ended_and_those_inside_go_on() -> None:
    with Served(door=Door(20, 1.0)) as served:
        inside = served.connect()
        crowd = [served.connect() for _ in range(300)]
        inside.sendall(GET)
        assert answered(inside, b".")
        served.until(lambda: len(served.refused) == 281, "not all were refused")
        assert served.entrance.connections == 20
        for one in [inside, *crowd]:
            one.close()
        served.empty()


class NoFiles(socket.socket):
    """A listening socket on a machine where no file is left, so many times."""

    left = 1
    asked = 0

    def accept(self) -> tuple[socket.socket, object]:
        NoFiles.asked += 1
        if NoFiles.left:
            NoFiles.left -= 1
            raise OSError(errno.EMFILE, "no file is left")
        return super().accept()


def test_without_a_file_it_waits_and_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "PAUSE_SECONDS", 0.3)
    real = socket.create_server

    def listening(*given: object, **named: object) -> socket.socket:
        return NoFiles(fileno=real(*given, **named).detach())  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "create_server", listening)
    with Served() as served, served.connect() as connection:
        connection.sendall(GET)
        assert answered(connection, b".")
        assert served.refused == ["files"]
        assert NoFiles.asked <= 4


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / "key.pem", "-out", folder / "crt.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def secure(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt.pem", folder / "key.pem")
    return context


def test_a_handshake_that_does_not_come_to_its_end_is_cut_and_counts_until_then(certificate: Path) -> None:
    with Served(door=Door(handshakes_max=2, handshake_s=0.5), secure=secure(certificate)) as served:
        mute = [served.connect(), served.connect()]
        served.until(lambda: served.entrance.handshakes == 2, "the handshakes did not begin")
        with served.connect() as third:
            assert heard(third) == b""
        assert served.refused == ["handshakes"]
        assert [heard(one) for one in mute] == [b"", b""]
        served.empty()
        for one in mute:
            one.close()
        trusting = ssl.create_default_context(cafile=certificate / "crt.pem")
        with trusting.wrap_socket(served.connect(), server_hostname="127.0.0.1") as client:
            client.sendall(GET)
            assert answered(client, b".")
            assert served.entrance.connections == 1
        served.empty()


def test_over_tls_a_body_waits_too_and_who_never_reads_is_cut(certificate: Path) -> None:
    """TLS itself takes a whole answer: that it is unread shows when the idle connection is to be closed."""
    trusting = ssl.create_default_context(cafile=certificate / "crt.pem")
    hasty = Patience(write_s=0.5)
    with (
        Served(hasty, secure=secure(certificate), keepalive=0.5) as served,
        trusting.wrap_socket(served.connect(), server_hostname="127.0.0.1") as client,
    ):
        client.sendall(b"POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 1_000_000)
        served.until(lambda: served.begun == ["/held"], "the request did not begin")
        assert len(served.only_connection().cycle.body) <= 512 * 1024
        served.open_gate()
        client.sendall(b"x" * 2_000_000)
        assert answered(client, b"3000000")
        client.sendall(GET.replace(b"/at-once", b"/big"))
        served.until(lambda: served.cut == ["unread"], "it was not cut")
        served.empty()


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_source_is_an_address_or_the_network_of_one_customer(address: str, source: str) -> None:
    assert source_of(address) == source


def test_the_limit_of_files_is_raised_as_far_as_it_goes_and_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = [(1024, 4096)]
    monkeypatch.setattr("resource.getrlimit", lambda _what: limits[-1])
    monkeypatch.setattr("resource.setrlimit", lambda _what, new: limits.append(new))
    assert files.raise_limit(2000) == 2000
    assert limits[-1] == (2000, 4096)
    assert files.raise_limit(12_512) == 4096
    assert limits[-1] == (4096, 4096)
    told = files.too_few(12_000, 4096 - files.OTHERS).detail
    for text in (told.zh, told.en):
        assert "3584" in text
        assert "12512" in text
        assert "LimitNOFILE=" in text
