"""Whose seal is believed: the key comes from whom the caller trusts, never from the seal's own file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kaipiao.errors import Malformed
from kaipiao.language import Text
from kaipiao.seal.detached import read_seal_file
from kaipiao.seal.port import Seal
from kaipiao.seal.sm2 import Sm2PublicKey


class TrustedKey:
    """Verifies seals by one public key."""

    def __init__(self, key: Sm2PublicKey) -> None:
        self._key = key

    def verify(self, data: bytes, seal: Seal) -> bool:
        return self._key.verify(data, seal.value)


def sealed_by(file: Path | None, trust: str | None, directory: Path | None) -> tuple[Seal | None, TrustedKey | None]:
    """The seal of a seal file and the trusted key; (seal, None) when no key is at hand. Raises `KaipiaoError`, `OSError`."""
    if file is None:
        return None, None
    seal = read_seal_file(file).seal
    keys = key_of(trust, directory)
    return seal, None if keys is None else TrustedKey(keys(seal.key_id))


def key_of(trust: str | None, directory: Path | None) -> Callable[[str], Sm2PublicKey] | None:
    """The trusted key by its id; None when none is at hand. `trust`: a key in hex, whatever id it has. Raises
    `KaipiaoError`, `OSError`."""
    if trust is not None:
        try:
            trusted = Sm2PublicKey.from_point(bytes.fromhex(trust))
        except ValueError as wrong:
            raise Malformed(Text("--trust 须为十六进制公钥", "--trust must be a public key in hex")) from wrong
        return lambda key_id: trusted
    if directory is None:
        return None
    from kaipiao.access.keys import key_store
    from kaipiao.settings import load

    keys = key_store(directory, load(directory))
    return lambda key_id: Sm2PublicKey.from_spki_der(keys.public(key_id))
