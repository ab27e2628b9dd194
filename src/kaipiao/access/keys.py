"""The keys of an installation: whoever may read the key-encryption key may act for it."""

from __future__ import annotations

from pathlib import Path

from kaipiao.seal.kek import load_or_create_kek
from kaipiao.seal.keystore import KeyStore
from kaipiao.settings import Settings


def key_store(directory: Path, settings: Settings) -> KeyStore:
    """The key store of a data directory."""
    kek = load_or_create_kek(directory / settings.keys.kek_file)
    return KeyStore(directory / settings.keys.directory, kek)
