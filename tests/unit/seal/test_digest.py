"""SM3 against GM/T 0004-2012, appendix A."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.seal import digest

ABC = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
ABCD_16 = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


def test_published_example_of_one_block() -> None:
    assert digest.sm3(b"abc").hex() == ABC


def test_published_example_of_two_blocks() -> None:
    assert digest.sm3(b"abcd" * 16).hex() == ABCD_16


@given(st.binary(max_size=300))
def test_both_implementations_agree(data: bytes) -> None:
    assert digest._by_cryptography(data) == digest._by_hashlib(data)


def test_a_python_without_sm3_gets_the_other_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_sm3(name: str, data: bytes = b"") -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", without_sm3)
    chosen = digest.choose()
    assert chosen(b"abc").hex() == ABC
