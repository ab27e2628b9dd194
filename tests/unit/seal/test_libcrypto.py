"""Every native object is freed on every path, also when libcrypto refuses in the middle."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kaipiao.errors import SealFault, Sm2Missing
from kaipiao.seal import curve
from kaipiao.seal.engine import sm2_engine
from kaipiao.seal.libcrypto import _LONG_CALLS, _SHORT, Libcrypto, candidates

pytestmark = pytest.mark.skipif(
    sm2_engine().name == "gmssl-pyx", reason="no OpenSSL 3 here: its binding was not tested"
)

_OWNER = {
    "EVP_MD_CTX_new": "EVP_MD_CTX_free",
    "EVP_PKEY_CTX_new_from_name": "EVP_PKEY_CTX_free",
    "EVP_PKEY_CTX_new_from_pkey": "EVP_PKEY_CTX_free",
    "d2i_PUBKEY": "EVP_PKEY_free",
    "d2i_AutoPrivateKey": "EVP_PKEY_free",
    "EVP_PKEY_generate": "EVP_PKEY_free",
}
_USED_LATER = [
    "EVP_MD_CTX_new",
    "EVP_PKEY_CTX_new_from_name",
    "EVP_PKEY_CTX_new_from_pkey",
    "EVP_PKEY_CTX_set1_id",
    "EVP_PKEY_keygen_init",
    "EVP_PKEY_is_a",
    "EVP_DigestSignInit",
    "EVP_DigestVerifyInit",
    "i2d_PUBKEY",
    "i2d_PrivateKey",
    "d2i_PUBKEY",
    "d2i_AutoPrivateKey",
    "EVP_PKEY_generate",
    "EVP_DigestSign",
    "EVP_DigestVerify",
]


class Watched:
    """A library whose calls are counted, and of which one fails without being made."""

    def __init__(self, library: Any, alive: Counter[str], failing: str | None) -> None:
        self._library, self._alive, self._failing = library, alive, failing

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._library, name)

        def call(*arguments: Any) -> Any:
            if name == self._failing:
                return 0
            result = function(*arguments)
            if name in _OWNER and result:
                self._alive[_OWNER[name]] += 1
            elif name in _OWNER.values():
                self._alive[name] -= 1
            return result

        return call


def watched(failing: str | None) -> tuple[Libcrypto, Counter[str]]:
    engine, alive = Libcrypto(candidates()[0]), Counter[str]()
    engine._short = Watched(engine._short, alive, failing)  # type: ignore[assignment]
    engine._long = Watched(engine._long, alive, failing)  # type: ignore[assignment]
    return engine, alive


def whole_life(engine: Libcrypto) -> bool:
    key = engine.generate()
    point = engine.point(key)
    again = engine.load_private(engine.scalar(key), point)
    signature = engine.sign(again, b"data", curve.USER_ID)
    public = engine.load_public(point)
    assert not engine.verify(public, b"other", signature, curve.USER_ID)
    return engine.verify(public, b"data", signature, curve.USER_ID)


def test_a_whole_life_leaves_nothing_behind() -> None:
    engine, alive = watched(None)
    assert whole_life(engine)
    gc.collect()
    assert set(alive) == set(_OWNER.values())
    assert not any(alive.values())


@pytest.mark.parametrize("failing", _USED_LATER)
def test_a_refusal_in_the_middle_is_a_fault_and_leaves_nothing_behind(failing: str) -> None:
    engine, alive = watched(failing)
    try:
        held = whole_life(engine)
    except SealFault:
        held = False
    assert not held
    gc.collect()
    assert not any(alive.values()), alive


def test_every_bound_call_is_either_failed_here_or_harmless() -> None:
    harmless = {"OPENSSL_version_major", "ERR_clear_error", "EVP_MD_fetch", "EVP_MD_CTX_set_pkey_ctx"}
    assert set(_SHORT) | set(_LONG_CALLS) == set(_USED_LATER) | set(_OWNER.values()) | harmless


@pytest.mark.parametrize("path", ["/nowhere/libcrypto.so.3", "libc.so.6", __file__])
def test_a_library_that_is_none_is_refused_with_what_to_install(path: str) -> None:
    with pytest.raises(Sm2Missing) as caught:
        Libcrypto(path)
    assert "OpenSSL 3" in caught.value.next_step.zh
    assert path in caught.value.detail.zh


def test_a_refusal_leaves_no_error_behind_for_the_ssl_module() -> None:
    engine = Libcrypto(candidates()[0])
    peek = engine._long.ERR_peek_error
    key, signature = engine.generate(), encode_dss_signature(1, 1)
    for refused in (signature, b"\x30\x03\x02\x01", b""):
        assert not engine.verify(key, b"data", refused, curve.USER_ID)
        assert peek() == 0
    with pytest.raises(SealFault):
        engine.load_public(b"\x04" + b"\x01" * 64)
    assert peek() == 0
