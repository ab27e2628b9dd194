"""Changes the key-encryption key of a store while others read and seal, so that no crash leaves a key that nothing opens.

The new KEK is durable beside the old one (`<file>.next`) before a key is put under it, and takes the old one's place when
every key is. Whoever opens the store meanwhile, or after a run that was cut off, does so with both (`access.keys`). Such a run
is finished by running it again.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from kaipiao.errors import KekRefused
from kaipiao.language import Text
from kaipiao.seal import durable
from kaipiao.seal.envelope import KEY_SIZE
from kaipiao.seal.importing.exclusive import exclusive
from kaipiao.seal.kek import CREDENTIAL, beside, load_or_create_kek, next_kek
from kaipiao.seal.keystore import KeyStore


def rotate(directory: Path, kek_file: Path) -> int:
    """Put every key of the store under a new KEK; how many there are. Raises as `KeyStore.rewrap` and `KekRefused`."""
    _require_file(kek_file)
    with exclusive(directory):
        return _rotated(directory, kek_file)


def _rotated(directory: Path, kek_file: Path) -> int:
    old = load_or_create_kek(kek_file)
    new = _next(kek_file, old)
    store = KeyStore(directory, old, previous_kek=new)
    store.rewrap(new)
    count = len(store.list())
    durable.replace(kek_file, new.hex().encode("ascii") + b"\n")
    beside(kek_file).unlink(missing_ok=True)
    return count


def _next(kek_file: Path, old: bytes) -> bytes:
    """The KEK of a run that was cut off, or a new one, durable."""
    left = next_kek(kek_file)
    if left is not None and left != old:
        return left
    beside(kek_file).unlink(missing_ok=True)  # cut off when the old one was replaced: that run is as good as finished
    new = secrets.token_bytes(KEY_SIZE)
    durable.create(beside(kek_file), new.hex().encode("ascii") + b"\n")
    return new


def _require_file(kek_file: Path) -> None:
    """A KEK that systemd hands over is not ours to change, and one that is missing must not be made up."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder and (Path(folder) / CREDENTIAL).exists():
        raise KekRefused(
            Text(
                "主密钥由 systemd 凭据提供，不能在此更换。",
                "The key-encryption key is a systemd credential and cannot be changed from here.",
            )
        )
    if not kek_file.exists():
        raise KekRefused(
            Text(f"没有主密钥文件 {kek_file}。", f"There is no key-encryption key in {kek_file}."), path=str(kek_file)
        )
