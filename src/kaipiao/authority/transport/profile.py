"""The port behind which TLS is spoken: `p256` here, the SM profile (RFC 8998) later. Bytes in, bytes out, no socket."""

from __future__ import annotations

from typing import Protocol


class TlsFault(Exception):
    """TLS cannot go on. `cause` is a key of `CAUSES` in a handshake, `tls_broken` after it; `alert` if the far side
    sent a certificate alert, which after a TLS 1.3 handshake is its refusal of our certificate."""

    def __init__(self, cause: str, detail: str, *, certificate_alert: bool = False) -> None:
        super().__init__(f"{cause} {detail}")
        self.cause = cause
        self.detail = detail
        self.certificate_alert = certificate_alert


class TlsSession(Protocol):
    """One connection's TLS, client side."""

    late_refusal: bool  # the far side judges our certificate only after our handshake is over (TLS 1.3)

    def handshake(self) -> bool:
        """Go on as far as possible. True once finished and the certificate and its name were judged good."""
        ...

    def receive(self, records: bytes) -> None:
        """Hand in bytes from the network; `b""` for its end."""
        ...

    def outgoing(self) -> bytes:
        """Bytes for the network that the protocol itself wants to send."""
        ...

    def encrypt(self, data: bytes) -> bytes:
        """Application data as records. `outgoing` must have been emptied before."""
        ...

    def decrypt(self, maximum: int) -> bytes | None:
        """Application data; None when more records are needed; `b""` after the far side's close_notify."""
        ...

    def close_notify(self) -> bytes:
        """The records that end the connection in order."""
        ...


class TlsProfile(Protocol):
    """Makes sessions. Verification of the far side is part of every profile and cannot be switched off."""

    name: str

    def session(self, host: str) -> TlsSession: ...
