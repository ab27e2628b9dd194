"""SM2 keys, signatures and the seal (GB/T 32918.2-2016 on the curve of GB/T 32918.5-2017, with SM3).

Every signature is made and checked with the user id `1234567812345678` unless another is named.
"""

from __future__ import annotations

from typing import Any, NoReturn

from kaipiao.errors import SealFault
from kaipiao.language import Text
from kaipiao.seal import curve, keyformat
from kaipiao.seal.curve import USER_ID
from kaipiao.seal.engine import Sm2Engine, sm2_engine
from kaipiao.seal.port import Seal

ALGORITHM = "SM2-SM3"


class Sm2PublicKey:
    """A point of the SM2 curve. Immutable; may be used from any thread."""

    __slots__ = ("_engine", "_handle", "point")

    def __init__(self, point: bytes, engine: Sm2Engine | None = None) -> None:
        """point: 04 ‖ X ‖ Y, 65 bytes. Raises `KeyMalformed` for what is not on the curve."""
        self.point = keyformat.checked_point(point)
        self._engine = engine or sm2_engine()
        self._handle = self._engine.load_public(point)

    @classmethod
    def from_point(cls, point: bytes, engine: Sm2Engine | None = None) -> Sm2PublicKey:
        return cls(point, engine)

    @classmethod
    def from_spki_der(cls, der: bytes, engine: Sm2Engine | None = None) -> Sm2PublicKey:
        """From a SubjectPublicKeyInfo. Raises `KeyMalformed`."""
        return cls(keyformat.point_of_spki(der), engine)

    @classmethod
    def from_certificate(cls, certificate: bytes, engine: Sm2Engine | None = None) -> Sm2PublicKey:
        """From an X.509 certificate, PEM or DER. Its own signature is not checked here. Raises `KeyMalformed`."""
        return cls.from_spki_der(keyformat.spki_of_certificate(certificate), engine)

    def to_spki_der(self) -> bytes:
        return keyformat.spki(self.point)

    def verify(self, data: bytes, signature: bytes, user_id: bytes = USER_ID) -> bool:
        """Does DER(r, s) hold for SM3(Z ‖ data)? False for anything malformed."""
        if len(user_id) > curve.USER_ID_MAX or not curve.is_signature(signature):
            return False
        return self._engine.verify(self._handle, data, signature, user_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sm2PublicKey) and other.point == self.point

    def __hash__(self) -> int:
        return hash(self.point)

    def __repr__(self) -> str:
        return f"<Sm2PublicKey {self.point[1:5].hex()}…>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an SM2 key holds a native handle: pass its SPKI instead")


class Sm2PrivateKey:
    """A private key. What it holds leaves it by `to_pkcs8_…` alone: not by repr, pickle, copy or a fault.

    Immutable; may be used from any thread.
    """

    __slots__ = ("_engine", "_handle", "public_key")

    def __init__(self, engine: Sm2Engine, handle: Any) -> None:
        """For the class methods below: `handle` is a private key of this engine."""
        self._engine, self._handle = engine, handle
        self.public_key = Sm2PublicKey(engine.point(handle), engine)

    @classmethod
    def generate(cls, engine: Sm2Engine | None = None) -> Sm2PrivateKey:
        engine = engine or sm2_engine()
        return cls(engine, engine.generate())

    @classmethod
    def from_pkcs8_der(cls, der: bytes, engine: Sm2Engine | None = None) -> Sm2PrivateKey:
        """From unencrypted PKCS#8. Raises `KeyMalformed`, also when its public key is not the private one's."""
        engine = engine or sm2_engine()
        return cls(engine, engine.load_private(*keyformat.read_pkcs8(der)))

    def to_pkcs8_der(self) -> bytes:
        """Unencrypted: for the key store's envelope only."""
        return keyformat.pkcs8(self._engine.scalar(self._handle), self.public_key.point)

    def sign(self, data: bytes, user_id: bytes = USER_ID) -> bytes:
        """DER(r, s) over SM3(Z ‖ data). Raises `SealFault`."""
        if len(user_id) > curve.USER_ID_MAX:
            raise SealFault(Text("SM2 用户标识过长。", "The SM2 user id is too long."), length=len(user_id))
        return self._engine.sign(self._handle, data, user_id)

    def __repr__(self) -> str:
        return f"<Sm2PrivateKey of {self.public_key!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is neither copied nor pickled")


class Sm2Sealer:
    """The `Sealer` over a private key of ours."""

    __slots__ = ("_private", "key_id")

    def __init__(self, key_id: str, private: Sm2PrivateKey) -> None:
        self.key_id = key_id
        self._private = private

    @property
    def public_key(self) -> Sm2PublicKey:
        return self._private.public_key

    def seal(self, data: bytes) -> Seal:
        """Blocks for the time of one signature and releases the GIL meanwhile. Raises `SealFault`."""
        return Seal(self.key_id, ALGORITHM, self._private.sign(data))

    def verify(self, data: bytes, seal: Seal) -> bool:
        """Is this a seal of this key over these bytes? False for another key's or anything malformed."""
        return (
            seal.key_id == self.key_id
            and seal.algorithm == ALGORITHM
            and self._private.public_key.verify(data, seal.value)
        )

    def __repr__(self) -> str:
        return f"<Sm2Sealer {self.key_id}>"
