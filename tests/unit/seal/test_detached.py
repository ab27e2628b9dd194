"""A seal file: stable, complete, and safe to read from anyone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.errors import SealFileMalformed
from kaipiao.seal.detached import SealFile, read_seal_file, seal_file
from kaipiao.seal.digest import sm3
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2Sealer

DATA = "<EInvoice>税</EInvoice>".encode()
SEALER = Sm2Sealer("seal-20261124-3f9a", Sm2PrivateKey.generate())
FILE = seal_file(DATA, SEALER.seal(DATA), SEALER.public_key)
FIELDS = json.loads(FILE.to_bytes())


def test_it_comes_back_from_disk_and_holds(tmp_path: Path) -> None:
    (tmp_path / "invoice.seal").write_bytes(FILE.to_bytes())
    again = read_seal_file(tmp_path / "invoice.seal")
    assert again == FILE
    assert again.holds(DATA, SEALER.public_key)


def test_its_format_is_the_promised_one() -> None:
    assert list(FIELDS) == ["format", "algorithm", "key_id", "digest", "signature", "public_key"]
    assert FIELDS["format"] == "kaipiao-seal-1"
    assert FIELDS["algorithm"] == "SM2-SM3"
    assert FIELDS["digest"] == sm3(DATA).hex()
    assert FIELDS["public_key"] == SEALER.public_key.point.hex()


def test_it_holds_for_these_bytes_and_this_key_only() -> None:
    assert not FILE.holds(DATA + b" ", SEALER.public_key)
    assert not FILE.matches(DATA + b" ")
    assert not FILE.holds(DATA, Sm2PrivateKey.generate().public_key)


def test_a_stranger_who_brings_his_own_key_proves_nothing() -> None:
    stranger = Sm2Sealer(SEALER.key_id, Sm2PrivateKey.generate())
    forged = seal_file(DATA, stranger.seal(DATA), stranger.public_key)
    assert forged.matches(DATA)
    assert not forged.holds(DATA, SEALER.public_key)


def test_it_does_not_hold_under_a_name_that_is_not_its_signers() -> None:
    assert not replace(FILE, public_key=Sm2PrivateKey.generate().public_key.point).holds(DATA, SEALER.public_key)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "kaipiao-seal-2"),
        ("algorithm", "none"),
        ("key_id", "../x"),
        ("key_id", 7),
        ("digest", "00"),
        ("digest", None),
        ("signature", ""),
        ("signature", "zz"),
        ("signature", FILE.seal.value.hex() + "00"),
        ("public_key", "04" + "00" * 64),
        ("public_key", ["04"]),
    ],
)
def test_a_broken_field_is_refused(field: str, value: object) -> None:
    with pytest.raises(SealFileMalformed):
        SealFile.from_bytes(json.dumps({**FIELDS, field: value}).encode())


@pytest.mark.parametrize("field", list(FIELDS))
def test_a_missing_field_is_refused(field: str) -> None:
    with pytest.raises(SealFileMalformed):
        SealFile.from_bytes(json.dumps({name: value for name, value in FIELDS.items() if name != field}).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 4000, b"\xff", b"null", FILE.to_bytes()[:-20]])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(SealFileMalformed):
        SealFile.from_bytes(content)


def test_a_huge_file_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    (tmp_path / "huge.seal").write_bytes(FILE.to_bytes() + b" " * 5_000_000)
    with pytest.raises(SealFileMalformed):
        read_seal_file(tmp_path / "huge.seal")


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    with pytest.raises(SealFileMalformed):
        SealFile.from_bytes(content)
