"""SM4-ECB against GM/T 0002-2012, appendix A, and against hostile cipher text."""

from __future__ import annotations

import pytest
from gmssl import sm4 as oracle  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.errors import CipherTextMalformed
from kaipiao.seal import sm4

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
ONCE = "681edf34d206965e86b3e94f536e4246"
MILLION = "595298c7c6fd271f0402f804c33d3f66"


def test_published_example() -> None:
    cipher_text = sm4.encrypt_ecb(KEY, KEY)
    assert cipher_text[:16].hex() == ONCE
    assert len(cipher_text) == 32
    assert sm4.decrypt_ecb(KEY, cipher_text) == KEY


def test_published_example_of_a_million_rounds() -> None:
    encrypt, block = sm4._cipher(KEY).encryptor().update, KEY
    for _ in range(1_000_000):
        block = encrypt(block)
    assert block.hex() == MILLION


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=200))
def test_what_was_encrypted_comes_back(key: bytes, data: bytes) -> None:
    cipher_text = sm4.encrypt_ecb(key, data)
    assert len(cipher_text) == len(data) // 16 * 16 + 16
    assert sm4.decrypt_ecb(key, cipher_text) == data


@pytest.mark.parametrize("data", [b"{}", b"0123456789abcdef", '{"fphm":"24312000000000000001","名称":"税"}'.encode()])
def test_same_bytes_as_the_library_that_public_clients_use(data: bytes) -> None:
    encryptor = oracle.CryptSM4()
    encryptor.set_key(KEY, oracle.SM4_ENCRYPT)
    assert sm4.encrypt_ecb(KEY, data) == encryptor.crypt_ecb(data)


@pytest.mark.parametrize("length", [0, 1, 15, 17, 31])
def test_cipher_text_of_a_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(CipherTextMalformed) as caught:
        sm4.decrypt_ecb(KEY, b"x" * length)
    assert caught.value.code == "KP-SEAL-04"


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_a_key_of_a_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(CipherTextMalformed):
        sm4.encrypt_ecb(b"k" * length, b"data")
    with pytest.raises(CipherTextMalformed):
        sm4.decrypt_ecb(b"k" * length, b"x" * 16)


@pytest.mark.parametrize("tail", [b"\x00", b"\x11", b"\x01\x02", b"\x02\x03\x03", b"\xff"])
def test_broken_padding_is_refused(tail: bytes) -> None:
    block = b"\x55" * (16 - len(tail)) + tail
    cipher_text = sm4._cipher(KEY).encryptor().update(block)
    with pytest.raises(CipherTextMalformed):
        sm4.decrypt_ecb(KEY, cipher_text)


@given(st.binary(max_size=100))
def test_arbitrary_cipher_text_is_decrypted_or_refused_and_nothing_else(data: bytes) -> None:
    try:
        plain = sm4.decrypt_ecb(KEY, data)
    except CipherTextMalformed:
        return
    assert sm4.encrypt_ecb(KEY, plain) == data
