"""When the certificates of the channels expire. One that has expired, or cannot be read, is told like any other."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

log = logging.getLogger(__name__)
READ_AGAIN = 60.0  # seconds after which the files are read again: they are renewed while the platform runs


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """`certificate`: "client" or "ca". `path`: PEM, one or more certificates."""

    channel: str
    certificate: str
    path: Path


class Certificates:
    """Looks at the files when it is asked, at most once a minute."""

    def __init__(self, files: Sequence[CertificateFile]) -> None:
        self._files = files
        self._ends: dict[CertificateFile, float] = {}
        self._read_at = -math.inf

    def seconds_left(self) -> dict[CertificateFile, float]:
        """Until the first certificate of each file expires, by the machine's clock; NaN for a file that cannot be read.
        Blocks for the reading."""
        if time.monotonic() >= self._read_at + READ_AGAIN:
            self._ends = {file: _earliest_end(file) for file in self._files}
            self._read_at = time.monotonic()
        now = time.time()
        return {file: end - now for file, end in self._ends.items()}


def _earliest_end(file: CertificateFile) -> float:
    try:
        found = x509.load_pem_x509_certificates(file.path.read_bytes())
    except (OSError, ValueError) as error:
        told = {"channel": file.channel, "cause": type(error).__name__}
        log.error("the %s certificate cannot be read", file.certificate, extra=told)
        return math.nan
    return min(one.not_valid_after_utc.timestamp() for one in found)
