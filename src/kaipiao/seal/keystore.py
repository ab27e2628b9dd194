"""The private keys of this platform, encrypted at rest, one file per key. Never in a database, log, repr or fault.

The key-encryption key can be changed while serving. A change that was cut off half-way loses nothing: open the store
with the new KEK and the old one as `previous_kek`, and call `rewrap(new)` again.
"""

from __future__ import annotations

import builtins
import re
import secrets
import stat
import threading
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kaipiao.clock import SHANGHAI, Clock, SystemClock
from kaipiao.errors import KekRefused, KeyFileDamaged, KeyStoreUnusable, KeyUnknown, SealFault, WrongKek
from kaipiao.language import Text
from kaipiao.seal import durable, envelope
from kaipiao.seal.engine import Sm2Engine
from kaipiao.seal.kek import load_or_create_kek
from kaipiao.seal.keyfile import KeyEntry, KeyFile
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2Sealer

__all__ = ["KeyEntry", "KeyStore", "load_or_create_kek"]

SM2, P256 = "SM2", "P-256"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SUFFIX, _CERTIFICATES = ".key", ".cert.pem"
_FILE_LIMIT = 16_384  # bytes; a real one has about 900
_NAME_TRIES = 20
_OWNER_ONLY = 0o700


class KeyStore:
    """May be used from any thread. Two processes may share the directory, unless one changes the KEK meanwhile: a key
    that the other then creates lies under the old KEK, which is said when it is read and mended by `rewrap`."""

    def __init__(
        self,
        directory: Path,
        kek: bytes,
        *,
        previous_kek: bytes | None = None,
        clock: Clock | None = None,
        engine: Sm2Engine | None = None,
    ) -> None:
        """Makes the directory (mode 0700) if it is missing. Raises `KekRefused`, `KeyStoreUnusable`."""
        self._keks = {envelope.kek_id(key): _sized(key) for key in (kek, previous_kek) if key is not None}
        self._current = envelope.kek_id(kek)
        self._clock, self._engine = clock or SystemClock(), engine
        self._directory = directory
        self._lock = threading.RLock()
        try:
            directory.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
            if stat.S_IMODE(directory.stat().st_mode) != _OWNER_ONLY:  # else it may be read-only, and looked at
                directory.chmod(_OWNER_ONLY)
        except OSError as error:
            raise self._unusable() from error

    def create(self, purpose: str, algorithm: str, key_id: str | None = None) -> str:
        """A new key, durable before its id is returned. algorithm: "SM2" or "P-256". purpose and `key_id`: small
        letters, digits, hyphens. Without a `key_id` it is purpose-yyyyMMdd-xxxx (day in Asia/Shanghai).
        Raises `SealFault` when the name is taken or not allowed; an existing key is never written over."""
        _require_name(purpose)
        private = Sm2PrivateKey.generate(self._engine) if algorithm == SM2 else _generated(algorithm)
        return self.put(purpose, private, key_id)

    def put(self, purpose: str, private: Sm2PrivateKey | ec.EllipticCurvePrivateKey, key_id: str | None = None) -> str:
        """A key that was made elsewhere, SM2 or P-256; the rest is as with `create`."""
        _require_name(purpose)
        algorithm, secret, public = _encoded(private)
        for _ in range(_NAME_TRIES):
            name = _require_name(key_id or self._fresh_id(purpose))
            if self._placed(KeyEntry(name, purpose, algorithm, self._clock.now(), public), secret):
                return name
            if key_id is not None:
                break
        raise SealFault(Text("密钥编号已被使用。", "The key id is taken."), purpose=purpose, key_id=key_id)

    def put_certificates(self, key_id: str, pem: bytes) -> None:
        """The certificate of a key and those above it, beside it in `<key_id>.cert.pem`. Never written over.
        Raises `KeyUnknown`, `SealFault` when there is one already, `KeyStoreUnusable`."""
        self._read(key_id)
        try:
            durable.create(self.certificates_file(key_id), pem)
        except FileExistsError:
            raise SealFault(Text("这把密钥已有证书。", "This key has a certificate already."), key_id=key_id) from None
        except OSError as error:
            raise self._unusable() from error

    def certificates(self, key_id: str) -> bytes | None:
        """What `put_certificates` stored, or None. Raises `KeyStoreUnusable`."""
        try:
            return self.certificates_file(key_id).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable() from error

    def certificates_file(self, key_id: str) -> Path:
        """Where `put_certificates` stores, whether there is anything or not."""
        return self._directory / f"{_require_name(key_id)}{_CERTIFICATES}"

    def certified(self) -> builtins.list[str]:
        """The ids of the keys that have certificates, unread. Raises `KeyStoreUnusable`."""
        return [name for name in self._names() if self.certificates_file(name).exists()]

    def sealer(self, key_id: str) -> Sm2Sealer:
        """The sealer over an SM2 key. Keep it: opening the key costs about a millisecond.

        Raises `KeyUnknown`, `KeyFileDamaged`, `WrongKek`; `SealFault` when it is no SM2 key."""
        return Sm2Sealer(key_id, Sm2PrivateKey.from_pkcs8_der(self._secret(key_id, SM2), self._engine))

    def p256(self, key_id: str) -> ec.EllipticCurvePrivateKey:
        """The P-256 key itself (tokens, TLS). Raises as `sealer`."""
        key = serialization.load_der_private_key(self._secret(key_id, P256), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise self._damaged(key_id)
        return key

    def public(self, key_id: str) -> bytes:
        """SubjectPublicKeyInfo in DER, authenticated. Raises `KeyUnknown`, `KeyFileDamaged`, `WrongKek`."""
        return self._read(key_id).entry.public_key

    def list(self) -> builtins.list[KeyEntry]:
        """Every key, oldest first, authenticated. One that cannot be read raises: it is never silently left out."""
        return sorted(map(self.entry, self.names()), key=lambda entry: (entry.created, entry.key_id))

    def entry(self, key_id: str) -> KeyEntry:
        """What is public of one key, authenticated. Raises as `public`."""
        return self._read(key_id).entry

    def names(self) -> builtins.list[str]:
        """The ids of all keys, unread. Raises `KeyStoreUnusable`."""
        return self._names()

    def rewrap(self, new_kek: bytes) -> None:
        """Put every key under `new_kek` (which must be stored durably before) while others read and seal.

        Nothing is changed unless every file can be opened. May be repeated after a failure; until it ends well, this
        store reads both. Raises `WrongKek`, `KeyFileDamaged`, `KeyStoreUnusable`."""
        target = envelope.kek_id(_sized(new_kek))
        with self._lock:
            self._keks = self._keks | {target: new_kek}
            for name in self._names():
                self._read(name)
            self._current = target
        while left := [name for name in self._names() if self._read(name).kek_id != target]:
            for name in left:
                self._rewrap_one(name, target)
        with self._lock:
            self._keks = {target: new_kek}

    def __repr__(self) -> str:
        return f"<KeyStore {self._directory} under {self._current}>"

    def _rewrap_one(self, name: str, target: str) -> None:
        with self._lock:
            file = self._read(name)
            again = envelope.rewrap(self._keks[file.kek_id], self._keks[target], file.entry.header(), file.envelope)
            try:
                durable.replace(self._path(name), KeyFile(file.entry, target, again).to_bytes())
            except OSError as error:
                raise self._unusable() from error

    def _fresh_id(self, purpose: str) -> str:
        return f"{purpose}-{self._clock.now().astimezone(SHANGHAI):%Y%m%d}-{secrets.token_hex(2)}"

    def _placed(self, entry: KeyEntry, secret: bytes) -> bool:
        """Write the file; False if its name is taken."""
        with self._lock:
            closed = envelope.close(self._keks[self._current], entry.header(), secret)
            try:
                durable.create(self._path(entry.key_id), KeyFile(entry, self._current, closed).to_bytes())
            except FileExistsError:
                return False
            except OSError as error:
                raise self._unusable() from error
        return True

    def _secret(self, key_id: str, algorithm: str) -> bytes:
        with self._lock:
            file = self._read(key_id)
            if file.entry.algorithm != algorithm:
                raise SealFault(
                    Text("密钥 {key_id} 不是 {algorithm} 密钥。", "The key {key_id} is no {algorithm} key.").format(
                        key_id=key_id, algorithm=algorithm
                    ),
                    key_id=key_id,
                )
            try:
                return envelope.open_(self._keks[file.kek_id], file.entry.header(), file.envelope)
            except envelope.Unopened:
                raise self._damaged(key_id) from None

    def _read(self, key_id: str) -> KeyFile:
        """The file of this key, its header authenticated."""
        with self._lock:
            file = self._parsed(key_id, self._content(key_id))
            kek = self._keks.get(file.kek_id)
            if kek is None:
                raise WrongKek(
                    Text(
                        "密钥 {key_id} 由主密钥 {theirs} 加密，当前是 {ours}。",
                        "The key {key_id} is under the key-encryption key {theirs}; the present one is {ours}.",
                    ).format(key_id=key_id, theirs=file.kek_id, ours=self._current),
                    key_id=key_id,
                )
            try:
                envelope.check(kek, file.entry.header(), file.envelope)
            except envelope.Unopened:
                raise self._damaged(key_id) from None
            return file

    def _parsed(self, key_id: str, content: bytes) -> KeyFile:
        try:
            file = KeyFile.from_bytes(content)
        except ValueError:
            raise self._damaged(key_id) from None
        if file.entry.key_id != key_id:
            raise self._damaged(key_id)  # another key's file under this name
        return file

    def _content(self, key_id: str) -> bytes:
        path = self._path(_require_name(key_id))
        try:
            with path.open("rb") as file:
                return file.read(_FILE_LIMIT)
        except FileNotFoundError:
            raise KeyUnknown(
                Text("密钥库中没有 {key_id}。", "The key store has no {key_id}.").format(key_id=key_id), key_id=key_id
            ) from None
        except OSError as error:
            raise self._unusable() from error

    def _names(self) -> builtins.list[str]:
        try:
            return sorted(path.stem for path in self._directory.iterdir() if _is_key_file(path))
        except OSError as error:
            raise self._unusable() from error

    def _path(self, key_id: str) -> Path:
        return self._directory / f"{key_id}{_SUFFIX}"

    def _unusable(self) -> KeyStoreUnusable:
        return KeyStoreUnusable(directory=str(self._directory))

    def _damaged(self, key_id: str) -> KeyFileDamaged:
        return KeyFileDamaged(
            Text("密钥文件 {name} 损坏或被改动。", "The key file {name} is damaged or was altered.").format(
                name=self._path(key_id).name
            ),
            key_id=key_id,
        )


def _is_key_file(path: Path) -> bool:
    return path.suffix == _SUFFIX and not path.name.startswith(".")


def _require_name(name: str) -> str:
    """Names become file names: nothing that could leave the directory."""
    if _NAME.fullmatch(name) is None:
        raise SealFault(
            Text("密钥编号只能用小写字母、数字和连字符。", "A key id has small letters, digits and hyphens only.")
        )
    return name


def _generated(algorithm: str) -> ec.EllipticCurvePrivateKey:
    if algorithm != P256:
        raise SealFault(Text("不支持的密钥算法。", "The key algorithm is not supported."), algorithm=algorithm)
    return ec.generate_private_key(ec.SECP256R1())


def _encoded(private: Sm2PrivateKey | ec.EllipticCurvePrivateKey) -> tuple[str, bytes, bytes]:
    """(algorithm, PKCS#8, SubjectPublicKeyInfo)."""
    if isinstance(private, Sm2PrivateKey):
        return SM2, private.to_pkcs8_der(), private.public_key.to_spki_der()
    if not isinstance(private.curve, ec.SECP256R1):
        raise SealFault(Text("不支持的密钥算法。", "The key algorithm is not supported."), algorithm=private.curve.name)
    der, spki = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    secret = private.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return P256, secret, private.public_key().public_bytes(der, spki)


def _sized(kek: bytes) -> bytes:
    if len(kek) != envelope.KEY_SIZE:
        raise KekRefused(Text("主密钥必须是 32 字节。", "The key-encryption key must be 32 bytes long."))
    return kek
