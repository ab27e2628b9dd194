"""Private keys at rest: what comes back, what is refused, and that nothing is lost or shown."""

from __future__ import annotations

import logging
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaipiao.clock import ManualClock
from kaipiao.errors import KekRefused, KeyFileDamaged, KeyStoreUnusable, KeyUnknown, SealFault, WrongKek
from kaipiao.seal import durable
from kaipiao.seal.keystore import KeyStore
from kaipiao.seal.sm2 import Sm2PublicKey

KEK, OTHER = bytes(range(32)), b"\x77" * 32
LATE_IN_SHANGHAI = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)  # the 24th there


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys", KEK, clock=ManualClock(LATE_IN_SHANGHAI))


def file_of(store: KeyStore, key_id: str) -> Path:
    return store._path(key_id)


def test_an_sm2_key_seals_and_is_still_there_after_a_restart(store: KeyStore, tmp_path: Path) -> None:
    key_id = store.create("seal", "SM2")
    seal = store.sealer(key_id).seal(b"<EInvoice/>")
    again = KeyStore(tmp_path / "keys", KEK)
    assert again.sealer(key_id).verify(b"<EInvoice/>", seal)
    assert Sm2PublicKey.from_spki_der(again.public(key_id)).verify(b"<EInvoice/>", seal.value)


def test_a_p256_key_signs_and_its_public_key_is_kept(store: KeyStore) -> None:
    key_id = store.create("token", "P-256")
    signature = store.p256(key_id).sign(b"claims", ec.ECDSA(hashes.SHA256()))
    public = serialization.load_der_public_key(store.public(key_id))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, b"claims", ec.ECDSA(hashes.SHA256()))


def test_a_key_is_named_by_purpose_and_day_in_shanghai(store: KeyStore) -> None:
    key_id = store.create("seal", "SM2")
    assert key_id.startswith("seal-20261124-")
    assert len(key_id) == len("seal-20261124-3f9a")


def test_the_list_says_purpose_algorithm_and_when_but_opens_nothing(store: KeyStore) -> None:
    first, second = store.create("seal", "SM2", "seal-1"), store.create("token", "P-256", "token-1")
    entries = store.list()
    assert [(entry.key_id, entry.purpose, entry.algorithm) for entry in entries] == [
        (first, "seal", "SM2"),
        (second, "token", "P-256"),
    ]
    assert {entry.created for entry in entries} == {LATE_IN_SHANGHAI}


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_only_the_owner_can_read_the_files(store: KeyStore, tmp_path: Path) -> None:
    key_id = store.create("seal", "SM2")
    assert stat.S_IMODE(file_of(store, key_id).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_the_private_key_is_in_no_file_repr_or_log(store: KeyStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key_id = store.create("seal", "SM2")
    sealer = store.sealer(key_id)
    scalar = sealer._private._engine.scalar(sealer._private._handle)
    shown = file_of(store, key_id).read_text() + repr(store) + repr(sealer) + repr(store.list()) + caplog.text
    assert scalar.hex() not in shown
    assert KEK.hex() not in shown
    assert repr(scalar)[2:-1] not in shown


def test_a_taken_name_is_refused_and_the_old_key_stays(store: KeyStore) -> None:
    store.create("seal", "SM2", "seal-1")
    before = store.public("seal-1")
    with pytest.raises(SealFault):
        store.create("seal", "SM2", "seal-1")
    assert store.public("seal-1") == before


@pytest.mark.parametrize("name", ["../seal-1", "", "a/b", ".hidden", "A", "x" * 65, "seal-1\n", "钥", "a\0b"])
def test_a_name_that_could_leave_the_directory_is_refused(store: KeyStore, name: str) -> None:
    for attempt in (store.sealer, store.p256, store.public):
        with pytest.raises(SealFault):
            attempt(name)
    with pytest.raises(SealFault):
        store.create(name, "SM2")


def test_an_unknown_key_and_a_wrong_kind_of_key_are_said(store: KeyStore) -> None:
    with pytest.raises(KeyUnknown):
        store.sealer("seal-1")
    store.create("token", "P-256", "token-1")
    store.create("seal", "SM2", "seal-1")
    for wrong in (lambda: store.sealer("token-1"), lambda: store.p256("seal-1"), lambda: store.create("x", "RSA")):
        with pytest.raises(SealFault):
            wrong()


def test_another_kek_opens_nothing_and_changes_nothing(store: KeyStore, tmp_path: Path) -> None:
    key_id = store.create("seal", "SM2")
    before = file_of(store, key_id).read_bytes()
    stranger = KeyStore(tmp_path / "keys", OTHER)
    for attempt in (stranger.list, lambda: stranger.sealer(key_id), lambda: stranger.rewrap(b"\x01" * 32)):
        with pytest.raises(WrongKek):
            attempt()
    assert file_of(store, key_id).read_bytes() == before
    assert store.sealer(key_id).seal(b"x")


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_kek_of_a_wrong_length_is_refused(tmp_path: Path, store: KeyStore, length: int) -> None:
    with pytest.raises(KekRefused):
        KeyStore(tmp_path / "keys", b"k" * length)
    with pytest.raises(KekRefused):
        store.rewrap(b"k" * length)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_is_noticed(store: KeyStore, position: int, bit: int) -> None:
    path = file_of(store, "seal-1")
    if not path.exists():
        store.create("seal", "SM2", "seal-1")
    sound = path.read_bytes()
    at = position % len(sound)
    path.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << bit]) + sound[at + 1 :])
    try:
        with pytest.raises((KeyFileDamaged, WrongKek)):
            store.sealer("seal-1")
    finally:
        path.write_bytes(sound)
    assert store.sealer("seal-1")


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_noticed_and_left_alone(store: KeyStore, share: float) -> None:
    store.create("seal", "SM2", "seal-1")
    path = file_of(store, "seal-1")
    half = path.read_bytes()[: int(path.stat().st_size * share)]
    path.write_bytes(half)
    for attempt in (lambda: store.sealer("seal-1"), store.list, lambda: store.rewrap(OTHER)):
        with pytest.raises(KeyFileDamaged):
            attempt()
    assert path.read_bytes() == half


@pytest.mark.parametrize("content", [b"[" * 16_000, b"{" * 100, b"null", b"\xff\xfe", b"[]", b"{}", b"9" * 15_000])
def test_a_file_of_anything_else_is_noticed(store: KeyStore, content: bytes) -> None:
    file_of(store, "seal-1").write_bytes(content)
    with pytest.raises(KeyFileDamaged):
        store.sealer("seal-1")


def test_exchanged_files_are_noticed(store: KeyStore) -> None:
    store.create("seal", "SM2", "seal-1")
    store.create("seal", "SM2", "seal-2")
    one, two = file_of(store, "seal-1"), file_of(store, "seal-2")
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    for key_id in ("seal-1", "seal-2"):
        with pytest.raises(KeyFileDamaged):
            store.sealer(key_id)


@pytest.mark.parametrize("part", ["wrapped_key", "private_key", "public_key", "purpose", "created"])
def test_a_part_taken_from_another_key_is_noticed(store: KeyStore, part: str) -> None:
    import json

    store.create("seal", "SM2", "seal-1")
    store._clock = ManualClock(datetime(2026, 12, 1, tzinfo=UTC))
    store.create("audit", "SM2", "seal-2")
    one, two = (json.loads(file_of(store, name).read_text()) for name in ("seal-1", "seal-2"))
    one[part] = two[part]
    file_of(store, "seal-1").write_bytes(json.dumps(one, indent=1).encode() + b"\n")
    with pytest.raises(KeyFileDamaged):
        store.sealer("seal-1")


def test_a_new_kek_opens_everything_and_the_old_one_nothing(store: KeyStore, tmp_path: Path) -> None:
    names = [store.create("seal", "SM2"), store.create("token", "P-256")]
    seal = store.sealer(names[0]).seal(b"x")
    store.rewrap(OTHER)
    assert store.sealer(names[0]).verify(b"x", seal)
    assert KeyStore(tmp_path / "keys", OTHER).sealer(names[0]).verify(b"x", seal)
    with pytest.raises(WrongKek):
        KeyStore(tmp_path / "keys", KEK).list()
    assert store.sealer(store.create("seal", "SM2"))


def test_a_change_of_kek_changes_nothing_while_one_file_cannot_be_opened(store: KeyStore, tmp_path: Path) -> None:
    names = [store.create("seal", "SM2") for _ in range(3)]
    before = {name: file_of(store, name).read_bytes() for name in names}
    file_of(store, "zz-damaged").write_bytes(b"{}")
    with pytest.raises(KeyFileDamaged):
        store.rewrap(OTHER)
    assert {name: file_of(store, name).read_bytes() for name in names} == before
    assert KeyStore(tmp_path / "keys", KEK).sealer(store.create("seal", "SM2"))  # new keys too stay under the old one


def test_after_a_change_of_kek_a_file_under_the_old_one_is_refused(store: KeyStore) -> None:
    store.create("seal", "SM2", "seal-1")
    old = file_of(store, "seal-1").read_bytes()
    store.rewrap(OTHER)
    file_of(store, "seal-1").write_bytes(old)
    with pytest.raises(WrongKek):
        store.sealer("seal-1")


def test_a_change_of_kek_that_was_cut_off_can_be_finished(
    store: KeyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [store.create("seal", "SM2") for _ in range(4)]
    replace, calls = durable.replace, []

    def full_disk_at_the_third(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        replace(path, data)

    monkeypatch.setattr(durable, "replace", full_disk_at_the_third)
    with pytest.raises(KeyStoreUnusable):
        store.rewrap(OTHER)
    assert all(store.sealer(name) for name in names)  # the running store reads both
    restarted = KeyStore(tmp_path / "keys", OTHER, previous_kek=KEK)
    assert all(restarted.sealer(name) for name in names)
    restarted.rewrap(OTHER)
    assert len(KeyStore(tmp_path / "keys", OTHER).list()) == 4


def test_leftovers_of_a_killed_write_are_not_keys(store: KeyStore, tmp_path: Path) -> None:
    store.create("seal", "SM2", "seal-1")
    (tmp_path / "keys" / ".seal-2.key.0badf00d.part").write_bytes(b"half")
    assert [entry.key_id for entry in store.list()] == ["seal-1"]


def test_a_failed_write_leaves_no_file(store: KeyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(KeyStoreUnusable):
        store.create("seal", "SM2")
    assert list((tmp_path / "keys").iterdir()) == []


def test_a_directory_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("no directory")
    with pytest.raises(KeyStoreUnusable):
        KeyStore(tmp_path / "keys", KEK)
