"""Which library does the arithmetic: found, named, refused, or replaced by the fallback. Each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from kaipiao.seal.libcrypto import candidates

PROBE = """
from kaipiao.errors import KaipiaoError
from kaipiao.seal.engine import sm2_engine
from kaipiao.seal.sm2 import Sm2PrivateKey
try:
    key = Sm2PrivateKey.generate()
    assert key.public_key.verify(b"data", key.sign(b"data"))
    print(sm2_engine().name)
except KaipiaoError as fault:
    print(fault.code, fault.next_step.en)
"""
NO_LIBCRYPTO = "import kaipiao.seal.libcrypto as libcrypto\nlibcrypto.candidates = lambda: ['libnothing.so.3']\n"
NO_GMSSL = "import sys\nsys.modules['gmssl_pyx'] = None\n"
GMSSL_PYX = importlib.util.find_spec("gmssl_pyx") is not None


def run(code: str, libcrypto: str | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "KAIPIAO_LIBCRYPTO"}
    if libcrypto is not None:
        environment["KAIPIAO_LIBCRYPTO"] = libcrypto
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


def test_openssl_is_found_by_itself() -> None:
    assert run(PROBE).startswith("libcrypto ")


def test_a_named_library_is_used() -> None:
    assert run(PROBE, candidates()[0]) == f"libcrypto {candidates()[0]}"


def test_a_named_library_that_is_none_is_never_quietly_replaced() -> None:
    answer = run(PROBE, "/nowhere/libcrypto.so.8")
    assert answer.startswith("KP-SEAL-02 ")


def test_without_any_library_it_is_said_what_to_install() -> None:
    answer = run(NO_LIBCRYPTO + NO_GMSSL + PROBE)
    assert answer.startswith("KP-SEAL-02 ")
    assert "gmssl-pyx" in answer
    assert "OpenSSL 3" in answer


@pytest.mark.skipif(not GMSSL_PYX, reason="gmssl-pyx is not installed: the fallback was not run")
def test_the_fallback_signs_and_verifies_as_openssl_does() -> None:
    both = """
from kaipiao.errors import KeyMalformed
from kaipiao.seal import keyformat
from kaipiao.seal.engine import sm2_engine
from kaipiao.seal.gmssl_engine import GmsslEngine
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2PublicKey
engines = [sm2_engine(), GmsslEngine()]
for one, other in (engines, engines[::-1]):
    for data in (b"", b"message digest", b"x" * 5000):
        key = Sm2PrivateKey.generate(one)
        same = Sm2PrivateKey.from_pkcs8_der(key.to_pkcs8_der(), other)
        public = Sm2PublicKey(key.public_key.point, other)
        assert public.verify(data, key.sign(data)) and key.public_key.verify(data, same.sign(data))
        assert not public.verify(data + b".", key.sign(data)) and not public.verify(data, key.sign(data), b"id")
    for point in (None, Sm2PrivateKey.generate().public_key.point):
        try:
            Sm2PrivateKey.from_pkcs8_der(keyformat.pkcs8(b"\\1" * 32, point), engines[1])
        except KeyMalformed:
            continue
        raise AssertionError(point)
"""
    assert run(both) == ""
    assert run(NO_LIBCRYPTO + PROBE) == "gmssl-pyx"
