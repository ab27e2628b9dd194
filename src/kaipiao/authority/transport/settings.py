"""What a transport is given: whom it trusts, who it is, how long each phase may last, how much it will read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from kaipiao.authority.transport.identity import ClientIdentity

FLOOR = 0.5  # seconds: below this a time-out measures this machine, not the far side


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """`ca_file`: PEM, the only roots that are trusted. `client_certificate`: PEM chain, leaf first. `client_key`: PEM,
    not encrypted; None when it is in the certificate's file. `identity`: instead of these two, what the key store holds.
    `profile` names a `TlsProfile`."""

    ca_file: Path
    client_certificate: Path | None = None
    client_key: Path | None = None
    identity: ClientIdentity | None = None
    profile: str = "p256"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds of real time, each for its whole phase. `wait` must be longer than the far side's own work takes;
    `queue` is the wait for a free connection of the pool."""

    resolve: float = 5.0
    connect: float = 10.0
    handshake: float = 10.0
    write: float = 20.0
    wait: float = 60.0
    answer: float = 30.0
    queue: float = 30.0

    def divided(self, speed: float) -> Timeouts:
        """The same for a far side whose clock runs `speed` times as fast (TEST environments), never under 0.5 s."""
        return Timeouts(**{f.name: max(FLOOR, getattr(self, f.name) / speed) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that are read at most, and connections kept. `body_bytes` counts as it came, `decoded_bytes` after gzip."""

    header_bytes: int = 32 * 1024
    body_bytes: int = 16 * 1024 * 1024
    decoded_bytes: int = 64 * 1024 * 1024
    connections: int = 8
    keep_alive: float = 30.0  # seconds a connection may idle
    tcp_keep_alive: int = 60  # seconds of silence before TCP asks
