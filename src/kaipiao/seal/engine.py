"""Who does the SM2 arithmetic: a libcrypto (OpenSSL 3, Tongsuo, …), else the package gmssl-pyx. Chosen once per path."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Protocol

from kaipiao.errors import Sm2Missing
from kaipiao.language import Text

LIBCRYPTO_VARIABLE = "KAIPIAO_LIBCRYPTO"


class Sm2Engine(Protocol):
    """Keys are opaque handles; what comes in was checked by `curve`. All calls may be made from any thread at once."""

    name: str

    def generate(self) -> Any:
        """A new private key."""
        ...

    def load_private(self, scalar: bytes, point: bytes | None) -> Any:
        """A private key from its scalar (32 bytes). Raises `KeyMalformed` when `point` is not its public key."""
        ...

    def load_public(self, point: bytes) -> Any: ...
    def scalar(self, private: Any) -> bytes: ...
    def point(self, key: Any) -> bytes: ...
    def sign(self, private: Any, data: bytes, user_id: bytes) -> bytes:
        """DER(r, s). Raises `SealFault`."""
        ...

    def verify(self, key: Any, data: bytes, signature: bytes, user_id: bytes) -> bool: ...


def sm2_engine(path: str | None = None) -> Sm2Engine:
    """The engine in use. `path`, else the environment's KAIPIAO_LIBCRYPTO, names a libcrypto: then that one or nothing.

    Raises `Sm2Missing`, which says what to install.
    """
    return _open(path or os.environ.get(LIBCRYPTO_VARIABLE) or None)


@cache
def _open(path: str | None) -> Sm2Engine:
    from kaipiao.seal.libcrypto import Libcrypto, candidates  # noqa: PLC0415 (the binding imports nothing until needed)

    if path is not None:
        return Libcrypto(path)
    for candidate in candidates():
        try:
            return Libcrypto(candidate)
        except Sm2Missing:
            continue  # the next one may do; when none does, the fault below says so
    return _fallback()


def _fallback() -> Sm2Engine:
    from kaipiao.seal.gmssl_engine import GmsslEngine  # noqa: PLC0415 (an optional package)

    try:
        return GmsslEngine()
    except ImportError:
        raise Sm2Missing(
            Text(
                "没有找到带 SM2 的 OpenSSL 3，也没有安装 gmssl-pyx。",
                "Neither an OpenSSL 3 with SM2 nor gmssl-pyx is here.",
            )
        ) from None
