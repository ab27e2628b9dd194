"""The key store while others use it, and after its process was killed at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kaipiao.seal.keystore import KeyStore, load_or_create_kek
from kaipiao.seal.sm2 import Sm2PublicKey

KEKS = [bytes([number]) * 32 for number in range(1, 7)]

WRITER = """
import sys
from pathlib import Path
from kaipiao.seal.keystore import KeyStore
directory, old, new = Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
store = KeyStore(directory, old, previous_kek=new)
store.rewrap(old)
print("ready", flush=True)
while True:
    print(store.create("seal", "SM2"), flush=True)
    store.rewrap(new)
    old, new = new, old
"""


def test_the_kek_changes_while_others_seal_and_create(tmp_path: Path) -> None:
    store = KeyStore(tmp_path, KEKS[0])
    names = [store.create("seal", "SM2") for _ in range(5)]
    stop, faults, done = threading.Event(), list[BaseException](), list[int]()

    def serve() -> None:
        count = 0
        try:
            while not stop.is_set():
                name = names[count % len(names)]
                seal = store.sealer(name).seal(b"x")
                assert Sm2PublicKey.from_spki_der(store.public(name)).verify(b"x", seal.value)
                assert len(store.list()) >= 5
                if count % 10 == 0:
                    store.create("extra", "P-256")
                count += 1
        except BaseException as fault:
            faults.append(fault)
        done.append(count)

    threads = [threading.Thread(target=serve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for kek in KEKS[1:]:
        time.sleep(0.1)
        store.rewrap(kek)
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sum(done) > 10
    assert len(KeyStore(tmp_path, KEKS[-1]).list()) > 5


@pytest.mark.parametrize("seed", range(5))
def test_a_kill_at_any_moment_loses_no_key(tmp_path: Path, seed: int) -> None:
    old, new = KEKS[0], KEKS[1]
    promised = []
    for round_ in range(2):
        arguments = [str(tmp_path), old.hex(), new.hex()]
        with subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(random.Random(seed * 2 + round_).uniform(0.01, 0.25))
            writer.kill()
            # A line that was cut off had not been promised to anybody.
            promised += [line.strip() for line in writer.stdout if line.endswith("\n")]
        store = KeyStore(tmp_path, old, previous_kek=new)
        assert {entry.key_id for entry in store.list()} >= set(promised)
        for entry in store.list():
            assert store.sealer(entry.key_id).seal(b"x")
    assert promised


def test_two_processes_that_start_at_once_agree_on_the_kek(tmp_path: Path) -> None:
    code = "import sys, pathlib; from kaipiao.seal.keystore import load_or_create_kek as load; "
    code += "print(load(pathlib.Path(sys.argv[1])).hex())"
    path = tmp_path / "kek"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    answers = {process.communicate(timeout=30)[0].strip() for process in started}
    assert answers == {load_or_create_kek(path).hex()}
