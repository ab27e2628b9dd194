"""Our certificates carry a real mutual-TLS handshake, and only the right one."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from kaipiao.seal.certificates import CertifiedKey, issue_client, issue_server, new_authority

AUTHORITY, STRANGER = new_authority("Sandbox CA"), new_authority("Sandbox CA")
SERVER = issue_server(AUTHORITY, ["localhost", "127.0.0.1"])


def load(context: ssl.SSLContext, key: CertifiedKey, directory: Path, name: str) -> ssl.SSLContext:
    path = directory / f"{name}.pem"
    path.write_bytes(key.certificate_pem + key.key_pem)
    context.load_cert_chain(path)
    return context


def greet(directory: Path, client: CertifiedKey | None, anchor: CertifiedKey, host: str) -> str:
    """One connection over the loopback; the client's common name as the server saw it."""
    accept = load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), SERVER, directory, "server")
    accept.verify_mode = ssl.CERT_REQUIRED
    accept.load_verify_locations(cadata=AUTHORITY.certificate_pem.decode("ascii"))
    connect = ssl.create_default_context(cadata=anchor.certificate_pem.decode("ascii"))
    if client is not None:
        load(connect, client, directory, "client")
    seen: list[str] = []

    def serve(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        try:
            with raw, accept.wrap_socket(raw, server_side=True) as secured:
                certificate = secured.getpeercert() or {}
                seen.extend(pair[0][1] for pair in certificate["subject"] if pair[0][0] == "commonName")
                secured.sendall(b"hello")
        except (ssl.SSLError, ConnectionError):
            seen.append("refused")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            raw = socket.create_connection(listener.getsockname(), timeout=10)
            with raw, connect.wrap_socket(raw, server_hostname=host) as secured:
                assert secured.recv(5) == b"hello"
        finally:
            thread.join(10)
    return seen[0]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_both_sides_prove_who_they_are(tmp_path: Path, host: str) -> None:
    assert greet(tmp_path, issue_client(AUTHORITY, "unit-0001"), AUTHORITY, host) == "unit-0001"


def test_a_client_without_or_with_a_strangers_certificate_is_refused(tmp_path: Path) -> None:
    for client in (None, issue_client(STRANGER, "unit-0001")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            greet(tmp_path, client, AUTHORITY, "localhost")


def test_a_servers_certificate_does_not_pass_for_a_clients(tmp_path: Path) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        greet(tmp_path, SERVER, AUTHORITY, "localhost")


def test_a_server_of_another_name_or_authority_is_refused(tmp_path: Path) -> None:
    client = issue_client(AUTHORITY, "unit-0001")
    for anchor, host in ((AUTHORITY, "bureau.test"), (STRANGER, "localhost")):
        with pytest.raises(ssl.SSLCertVerificationError):
            greet(tmp_path, client, anchor, host)
