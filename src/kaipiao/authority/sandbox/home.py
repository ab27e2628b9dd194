"""The sandbox's directory: its lock, its certificates, what a client needs as files."""

from __future__ import annotations

import fcntl
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaipiao.errors import DirectoryInUse
from kaipiao.seal import durable
from kaipiao.seal.certificates import CertifiedKey, issue_client, issue_server, new_authority

CA_FILE, CLIENT_CERTIFICATE, CLIENT_KEY = "ca.pem", "client.pem", "client.key"
_CA_KEY, _SERVER_CERTIFICATE, _SERVER_KEY = "ca.key", "server.pem", "server.key"
_DAYS = 3650


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory for this process. Raises `DirectoryInUse`."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as taken:
            raise DirectoryInUse from taken
        yield
    finally:
        os.close(handle)


def prepare_certificates(directory: Path, host: str, unit: str) -> None:
    """An authority and a client's certificate at the first start; a server's certificate at every start."""
    authority = _kept(directory, CA_FILE, _CA_KEY)
    if authority is None:
        authority = new_authority("Kaipiao sandbox authority", _DAYS)
        _keep(directory, CA_FILE, _CA_KEY, authority)
    if _kept(directory, CLIENT_CERTIFICATE, CLIENT_KEY) is None:
        _keep(directory, CLIENT_CERTIFICATE, CLIENT_KEY, issue_client(authority, unit, _DAYS))
    names = list(dict.fromkeys(["localhost", "127.0.0.1", "::1", host]))
    _keep(directory, _SERVER_CERTIFICATE, _SERVER_KEY, issue_server(authority, names, _DAYS))


def _kept(directory: Path, certificate: str, key: str) -> CertifiedKey | None:
    """The pair, when both files are there. The key is written first, so a certificate never stands alone."""
    if not (directory / certificate).exists():
        return None
    return CertifiedKey((directory / certificate).read_bytes(), (directory / key).read_bytes())


def _keep(directory: Path, certificate: str, key: str, pair: CertifiedKey) -> None:
    durable.replace(directory / key, pair.key_pem)
    durable.replace(directory / certificate, pair.certificate_pem)


def server_context(directory: Path, *, client_certificate_required: bool) -> ssl.SSLContext:
    """TLS 1.2 or later. A client's certificate must come from our own authority, unless none is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(directory / _SERVER_CERTIFICATE, directory / _SERVER_KEY)
    if client_certificate_required:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(directory / CA_FILE)
    return context
