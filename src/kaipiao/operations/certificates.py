"""When the certificates expire: the channels', the server's own, those of the key store. One that has expired, or cannot be
read, is told like any other; what changes for the worse is also a line of the log, once."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from kaipiao.seal.importing.limits import LIMITS

log = logging.getLogger(__name__)
READ_AGAIN = 60.0  # seconds after which the files are read again: they are renewed while the platform runs
OF_STORE = "keys"  # stands for a channel where the certificate is the key store's


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """`channel`: its name, "server", or "keys". `certificate`: "client", "ca", "server", or "key:ID" of a stored one.
    `path`: PEM, one or more certificates."""

    channel: str
    certificate: str
    path: Path


class Certificates:
    """Looks at the files when it is asked, at most once a minute."""

    def __init__(self, files: Callable[[], Iterable[CertificateFile]]) -> None:
        """`files`: which there are now; keys and certificates are imported while the platform runs."""
        self._files = files
        self._ends: dict[CertificateFile, float] = {}
        self._said: dict[CertificateFile, str | None] = {}
        self._read_at = -math.inf

    def seconds_left(self) -> dict[CertificateFile, float]:
        """Until the first certificate of each file expires, by the machine's clock; NaN for a file that cannot be read.
        Blocks for the reading."""
        now = time.time()
        if time.monotonic() >= self._read_at + READ_AGAIN:
            self._ends = {file: _earliest_end(file) for file in self._files()}
            self._read_at = time.monotonic()
            self._say({file: end - now for file, end in self._ends.items()})
        return {file: end - now for file, end in self._ends.items()}

    def _say(self, left: dict[CertificateFile, float]) -> None:
        doubts = {file: _doubt(seconds) for file, seconds in left.items()}
        for file, doubt in doubts.items():
            if doubt is not None and doubt != self._said.get(file):
                log.warning(doubt, extra={"channel": file.channel, "certificate": file.certificate})
        self._said = doubts


def _doubt(left: float) -> str | None:
    """What is to be said of a certificate with so many seconds left; nothing while it has enough."""
    if math.isnan(left):
        return "证书文件无法读取 / a certificate file cannot be read"
    if left <= 0:
        return "证书已过期 / a certificate has expired"
    if left < LIMITS.warn_hours * 3600:
        return f"证书剩余不足 {LIMITS.warn_hours} 小时 / a certificate has less than {LIMITS.warn_hours} h left"
    return None


def _earliest_end(file: CertificateFile) -> float:
    """Seconds since the epoch; NaN for a file that cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(file.path.read_bytes())
    except (OSError, ValueError):
        return math.nan
    return min(one.not_valid_after_utc.timestamp() for one in found)
