"""The few functions of OpenSSL 3's libcrypto that SM2 needs, bound with ctypes (EVP_PKEY-SM2(7), EVP_DigestSignInit(3)).

Each context lives for one call, so threads share nothing but the key, which libcrypto only reads. The short calls keep
the GIL (PyDLL) and the long ones release it (CDLL): one hand-over per signature instead of eight, which matters when
other threads are busy.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kaipiao.errors import KeyMalformed, SealFault, Sm2Missing
from kaipiao.language import Text
from kaipiao.seal import curve, keyformat

_POINTER, _BYTES, _INT, _SIZE, _LONG = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_long
_INTO = ctypes.POINTER(ctypes.c_void_p)
_SHORT: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "OPENSSL_version_major": (ctypes.c_uint, ()),
    "ERR_clear_error": (None, ()),
    "EVP_MD_fetch": (_POINTER, (_POINTER, _BYTES, _BYTES)),
    "EVP_MD_CTX_new": (_POINTER, ()),
    "EVP_MD_CTX_free": (None, (_POINTER,)),
    "EVP_MD_CTX_set_pkey_ctx": (None, (_POINTER, _POINTER)),
    "EVP_PKEY_CTX_new_from_name": (_POINTER, (_POINTER, _BYTES, _BYTES)),
    "EVP_PKEY_CTX_new_from_pkey": (_POINTER, (_POINTER, _POINTER, _BYTES)),
    "EVP_PKEY_CTX_free": (None, (_POINTER,)),
    "EVP_PKEY_CTX_set1_id": (_INT, (_POINTER, _BYTES, _INT)),
    "EVP_PKEY_keygen_init": (_INT, (_POINTER,)),
    "EVP_PKEY_is_a": (_INT, (_POINTER, _BYTES)),
    "EVP_PKEY_free": (None, (_POINTER,)),
    "EVP_DigestSignInit": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "EVP_DigestVerifyInit": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "i2d_PUBKEY": (_INT, (_POINTER, _INTO)),
    "i2d_PrivateKey": (_INT, (_POINTER, _INTO)),
}
_LONG_CALLS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "d2i_PUBKEY": (_POINTER, (_INTO, _INTO, _LONG)),
    "d2i_AutoPrivateKey": (_POINTER, (_INTO, _INTO, _LONG)),
    "EVP_PKEY_generate": (_INT, (_POINTER, _INTO)),
    "EVP_DigestSign": (_INT, (_POINTER, _POINTER, ctypes.POINTER(_SIZE), _BYTES, _SIZE)),
    "EVP_DigestVerify": (_INT, (_POINTER, _BYTES, _SIZE, _BYTES, _SIZE)),
}


def candidates() -> list[str]:
    """Names under which OpenSSL 3's libcrypto may be found here, the most likely first."""
    found = ctypes.util.find_library("crypto")
    if sys.platform == "darwin":
        # Loading Apple's own unversioned libcrypto aborts the process.
        found = None if found and found.startswith("/usr/lib/") else found
        named = ["/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib", "/usr/local/opt/openssl@3/lib/libcrypto.3.dylib"]
    elif sys.platform == "win32":
        named = ["libcrypto-3-x64.dll", "libcrypto-3.dll"]
    else:
        named = ["libcrypto.so.3"]
    return list(dict.fromkeys(([found] if found else []) + named))


class _Key:
    """An EVP_PKEY of ours. Freed when the last reference goes; never at exit, when other threads may still use it."""

    __slots__ = ("__weakref__", "pointer")

    def __init__(self, pointer: int, free: Callable[[int], None]) -> None:
        self.pointer = pointer
        weakref.finalize(self, free, pointer).atexit = False


class Libcrypto:
    """An `Sm2Engine` over one libcrypto. Raises `Sm2Missing` when `path` is none, is older than 3, or lacks SM2."""

    def __init__(self, path: str) -> None:
        try:
            self._short, self._long = _bind(ctypes.PyDLL(path), _SHORT), _bind(ctypes.CDLL(path), _LONG_CALLS)
        except (OSError, AttributeError):
            raise _missing(path) from None
        if self._short.OPENSSL_version_major() < 3:
            raise _missing(path)
        self.name = f"libcrypto {path}"
        self._sm3 = self._short.EVP_MD_fetch(None, b"SM3", None)
        context = self._short.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
        self._short.EVP_PKEY_CTX_free(context)
        if not self._sm3 or not context:
            self._short.ERR_clear_error()
            raise _missing(path)

    def generate(self) -> _Key:
        with self._owned(self._short.EVP_PKEY_CTX_new_from_name(None, b"SM2", None), "EVP_PKEY_CTX_free") as context:
            self._must(self._short.EVP_PKEY_keygen_init(context))
            pointer = ctypes.c_void_p()
            self._must(self._long.EVP_PKEY_generate(context, ctypes.byref(pointer)))
            return self._key(pointer.value)

    def load_private(self, scalar: bytes, point: bytes | None) -> _Key:
        """The point is computed here; one that was given must be the same."""
        key = self._decoded(self._long.d2i_AutoPrivateKey, keyformat.pkcs8(scalar, None))
        if point is not None and self.point(key) != point:
            raise KeyMalformed(Text("私钥与其公钥不符。", "The private key does not belong to its public key."))
        return key

    def load_public(self, point: bytes) -> _Key:
        return self._decoded(self._long.d2i_PUBKEY, keyformat.spki(point))

    def scalar(self, private: _Key) -> bytes:
        return keyformat.scalar_of_sec1(self._encoded(self._short.i2d_PrivateKey, private))

    def point(self, key: _Key) -> bytes:
        return keyformat.point_of_spki(self._encoded(self._short.i2d_PUBKEY, key))

    def sign(self, private: _Key, data: bytes, user_id: bytes) -> bytes:
        with self._message_context(private, user_id) as context:
            self._must(self._short.EVP_DigestSignInit(context, None, self._sm3, None, private.pointer))
            buffer, size = ctypes.create_string_buffer(curve.SIGNATURE_MAX), ctypes.c_size_t(curve.SIGNATURE_MAX)
            self._must(self._long.EVP_DigestSign(context, buffer, ctypes.byref(size), data, len(data)))
            return buffer.raw[: size.value]

    def verify(self, key: _Key, data: bytes, signature: bytes, user_id: bytes) -> bool:
        with self._message_context(key, user_id) as context:
            self._must(self._short.EVP_DigestVerifyInit(context, None, self._sm3, None, key.pointer))
            if self._long.EVP_DigestVerify(context, signature, len(signature), data, len(data)) == 1:
                return True
            self._short.ERR_clear_error()
            return False

    @contextmanager
    def _message_context(self, key: _Key, user_id: bytes) -> Iterator[int]:
        """An EVP_MD_CTX that will put Z_A of this user id in front of the message."""
        short = self._short
        with self._owned(short.EVP_PKEY_CTX_new_from_pkey(None, key.pointer, None), "EVP_PKEY_CTX_free") as key_context:
            self._must(short.EVP_PKEY_CTX_set1_id(key_context, user_id, len(user_id)))
            with self._owned(short.EVP_MD_CTX_new(), "EVP_MD_CTX_free") as context:
                short.EVP_MD_CTX_set_pkey_ctx(context, key_context)
                yield context

    @contextmanager
    def _owned(self, pointer: int | None, free: str) -> Iterator[int]:
        if not pointer:
            raise self._fault()
        try:
            yield pointer
        finally:
            getattr(self._short, free)(pointer)

    def _decoded(self, decode: Any, der: bytes) -> _Key:
        buffer = ctypes.create_string_buffer(der, len(der))
        cursor = ctypes.c_void_p(ctypes.addressof(buffer))
        pointer = decode(None, ctypes.byref(cursor), len(der))
        key = self._key(pointer)
        if self._short.EVP_PKEY_is_a(key.pointer, b"SM2") != 1:
            raise self._fault()
        return key

    def _encoded(self, encode: Any, key: _Key) -> bytes:
        length = encode(key.pointer, None)
        self._must(length)
        buffer = ctypes.create_string_buffer(length)
        cursor = ctypes.c_void_p(ctypes.addressof(buffer))
        self._must(encode(key.pointer, ctypes.byref(cursor)))
        return buffer.raw

    def _key(self, pointer: int | None) -> _Key:
        if not pointer:
            raise self._fault()
        return _Key(pointer, self._short.EVP_PKEY_free)

    def _must(self, result: int) -> None:
        if result <= 0:
            raise self._fault()

    def _fault(self) -> SealFault:
        """Libcrypto's queue of errors belongs to the thread and is shared with `ssl`: it is emptied here."""
        self._short.ERR_clear_error()
        return SealFault(
            Text("密码库拒绝了 SM2 运算。", "The crypto library refused an SM2 operation."), library=self.name
        )


def _bind(library: ctypes.CDLL, calls: dict[str, tuple[Any, tuple[Any, ...]]]) -> ctypes.CDLL:
    for name, (result, arguments) in calls.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _missing(path: str) -> Sm2Missing:
    return Sm2Missing(
        Text("{path} 不是带 SM2 的 OpenSSL 3。", "{path} is not an OpenSSL 3 with SM2.").format(path=path), library=path
    )
