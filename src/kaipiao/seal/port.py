"""The port behind which a seal is made: OpenSSL here, another libcrypto by setting, an HSM later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Seal:
    """A detached seal. `value` is DER(r, s) of SM2 over SM3(Z ‖ data) with the user id `1234567812345678`."""

    key_id: str
    algorithm: str  # "SM2-SM3"
    value: bytes


class SealVerifier(Protocol):
    def verify(self, data: bytes, seal: Seal) -> bool:
        """Is this the trusted key's seal over these bytes? False for anything malformed, never an exception."""
        ...


class Sealer(SealVerifier, Protocol):
    def seal(self, data: bytes) -> Seal:
        """Seal the bytes. Blocks for about 0.25 ms, releases the GIL; raises `SealFault`."""
        ...
