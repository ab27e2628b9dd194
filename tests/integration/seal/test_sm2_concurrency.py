"""Many threads on one key, and a process that does not grow."""

from __future__ import annotations

import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kaipiao.errors import SealFault
from kaipiao.seal import keyformat
from kaipiao.seal.engine import sm2_engine
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2PublicKey, Sm2Sealer


def test_many_threads_seal_verify_load_and_drop_at_once() -> None:
    shared = Sm2Sealer("seal-1", Sm2PrivateKey.generate())
    der = shared._private.to_pkcs8_der()

    def work(seed: int) -> int:
        held = 0
        for round_ in range(12):
            data = f"{seed}/{round_}".encode() * 20
            own = Sm2PrivateKey.from_pkcs8_der(der)
            held += shared.verify(data, shared.seal(data)) and shared.public_key.verify(data, own.sign(data))
            held -= shared.public_key.verify(data + b".", own.sign(data))
        return held

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(work, range(16))) == 16 * 12


def test_other_threads_run_while_a_long_message_is_signed() -> None:
    key, data = Sm2PrivateKey.generate(), b"x" * 60_000_000  # a few tenths of a second of SM3
    done, ticks = threading.Event(), 0

    def sign() -> None:
        key.sign(data)
        done.set()

    thread = threading.Thread(target=sign)
    thread.start()
    while not done.is_set():
        time.sleep(0.001)
        ticks += 1
    thread.join()
    assert ticks > 20


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists() or sm2_engine().name == "gmssl-pyx",
    reason="needs OpenSSL 3, and /proc to read the resident memory",
)
def test_refusals_do_not_make_the_process_grow() -> None:
    engine, key = sm2_engine(), Sm2PrivateKey.generate()
    signature = key.sign(b"data")

    def refuse() -> None:
        with pytest.raises(SealFault):
            engine.load_public(b"\x04" + b"\x01" * 64)
        with pytest.raises(SealFault):
            engine.load_private(b"\x01" * 32, key.public_key.point)
        Sm2PublicKey.from_spki_der(keyformat.spki(key.public_key.point))
        assert not engine.verify(key.public_key._handle, b"data", signature[:-1], b"1234567812345678")

    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(200):
        refuse()
    before = resident()
    for _ in range(2000):
        refuse()
    # A leaked EVP_PKEY or context has more than 200 bytes: 2000 of one kind would show as 400 kB.
    assert resident() - before < 300_000
