"""TLS of our own server, and how a command on the same machine knows that it speaks to it.

A command believes exactly the certificate that the server read from its file and named in `server.json`: no authority, no
name and no date counts beside that.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kaipiao.errors import KaipiaoError, SettingsFault
from kaipiao.language import Text
from kaipiao.system_words import reason_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

OTHERS = 0o077  # what nobody but the owner may do with the file of a key


class ServerUnknown(KaipiaoError):
    """Something else answers where our server said that it is."""

    code = "KP-CLI-03"
    title = Text("应答的不是本数据目录的服务", "What answers is not the server of this data directory")
    next_step = Text(
        "请重启 kaipiao serve，并查明谁占用了这个端口。", "Restart `kaipiao serve`; find out who has the port."
    )


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 and 1.3 with this certificate (and what leads to its authority). Raises `SettingsFault`."""
    _require_private(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as broken:  # ssl.SSLError is an OSError
        reason = getattr(broken, "reason", None) or getattr(broken, "strerror", None) or type(broken).__name__
        raise SettingsFault(
            Text(
                f"server.tls_certificate 与 server.tls_key 不可用：{reason}",
                f"server.tls_certificate and server.tls_key cannot be used: {reason}",
            ),
            code="KP-SETTINGS-09",
        ) from broken
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # asking on a terminal would stop a server that nobody watches


def _require_private(key: Path) -> None:
    try:
        mode = key.stat().st_mode
    except OSError as error:
        reason = reason_of(error)
        raise SettingsFault(
            Text(f"server.tls_key 无法读取：{reason.zh}", f"server.tls_key cannot be read: {reason.en}"),
            code="KP-SETTINGS-09",
        ) from error
    if os.name != "nt" and mode & OTHERS:
        raise SettingsFault(
            Text(
                f"server.tls_key 他人可读（权限 {mode & 0o777:o}）：请 chmod 600",
                f"server.tls_key is open to others (mode {mode & 0o777:o}): chmod 600",
            ),
            code="KP-SETTINGS-08",
        )


def fingerprint(certificate: Path) -> str:
    """SHA-256 of the first certificate of the file, in hex. The file was read by `server_context` before."""
    from cryptography.hazmat.primitives.hashes import SHA256

    return _first(certificate).fingerprint(SHA256()).hex()


def doubt(certificate: Path, now: datetime) -> SettingsFault | None:
    """What callers will refuse about this certificate at `now`: to be told, not a reason to stop selling."""
    found = _first(certificate)
    start, end = found.not_valid_before_utc, found.not_valid_after_utc
    if start <= now <= end:
        return None
    return SettingsFault(
        Text(
            f"server.tls_certificate 不在有效期内（{start:%Y-%m-%d} 至 {end:%Y-%m-%d}）：调用方会拒绝",
            f"server.tls_certificate is not in its time ({start:%Y-%m-%d} to {end:%Y-%m-%d}): callers will refuse it",
        ),
        code="KP-SETTINGS-10",
    )


def _first(certificate: Path) -> Certificate:
    from cryptography import x509  # slow to import, and only for a server

    return x509.load_pem_x509_certificates(certificate.read_bytes())[0]


class PinnedConnection(http.client.HTTPSConnection):
    """Speaks only to whoever proves to hold the key of one certificate, given by its fingerprint."""

    def __init__(self, host: str, port: int | None, fingerprint: str, timeout: float) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False  # the certificate itself is compared, before anything is sent
        context.verify_mode = ssl.CERT_NONE
        super().__init__(host, port, timeout=timeout, context=context)
        self._fingerprint = fingerprint

    def connect(self) -> None:
        super().connect()
        shown = self.sock.getpeercert(binary_form=True) or b""
        if hashlib.sha256(shown).hexdigest() != self._fingerprint:
            self.close()
            raise ServerUnknown()
