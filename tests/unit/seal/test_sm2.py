"""SM2 against GB/T 32918.5-2017, appendix A.2, an independent implementation, and its own promises."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from gmssl import sm2 as oracle  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from kaipiao.errors import KeyMalformed, SealFault
from kaipiao.seal import curve, keyformat
from kaipiao.seal.engine import sm2_engine
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2PublicKey, Sm2Sealer

SCALAR = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
POINT = bytes.fromhex(
    "0409F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
    "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)
MESSAGE = b"message digest"
Z = "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"
E = "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
SIGNATURE = encode_dss_signature(
    0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3,
    0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA,
)

needs_libcrypto = pytest.mark.skipif(
    sm2_engine().name == "gmssl-pyx",
    reason="no OpenSSL 3 here: the fallback computes no public key and checks no point",
)


@pytest.fixture(scope="module")
def private() -> Sm2PrivateKey:
    return Sm2PrivateKey.from_pkcs8_der(keyformat.pkcs8(SCALAR, POINT))


@needs_libcrypto
def test_published_public_key_is_computed_from_the_published_private_key() -> None:
    assert Sm2PrivateKey.from_pkcs8_der(keyformat.pkcs8(SCALAR, None)).public_key.point == POINT


def test_published_digests() -> None:
    assert curve.identity_digest(POINT).hex() == Z
    assert curve.message_digest(POINT, MESSAGE).hex() == E


def test_published_signature_verifies() -> None:
    assert Sm2PublicKey.from_point(POINT).verify(MESSAGE, SIGNATURE)


def test_published_signature_fails_for_other_message_id_or_value() -> None:
    key = Sm2PublicKey.from_point(POINT)
    r, s = decode_dss_signature(SIGNATURE)
    assert not key.verify(MESSAGE + b".", SIGNATURE)
    assert not key.verify(MESSAGE, SIGNATURE, user_id=b"")
    assert not key.verify(MESSAGE, SIGNATURE, user_id=b"ALICE123@YAHOO.COM")
    assert not key.verify(MESSAGE, encode_dss_signature(r, curve.N - s))
    assert not key.verify(MESSAGE, encode_dss_signature(s, r))


def test_our_signature_verifies_with_an_independent_implementation(private: Sm2PrivateKey) -> None:
    r, s = decode_dss_signature(private.sign(MESSAGE))
    judge = oracle.CryptSM2(private_key=None, public_key=POINT[1:].hex())
    assert judge.verify(f"{r:064x}{s:064x}", bytes.fromhex(E))


def test_an_independent_signature_verifies_with_ours() -> None:
    signer = oracle.CryptSM2(private_key=SCALAR.hex(), public_key=POINT[1:].hex())
    raw = signer.sign(bytes.fromhex(E), "59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21")
    signature = encode_dss_signature(int(raw[:64], 16), int(raw[64:], 16))
    assert signature == SIGNATURE
    assert Sm2PublicKey(POINT).verify(MESSAGE, signature)


@settings(max_examples=25)
@given(st.binary(max_size=5000), st.binary(max_size=40))
def test_a_signature_holds_for_its_bytes_and_no_others(data: bytes, user_id: bytes) -> None:
    key = Sm2PrivateKey.generate()
    signature = key.sign(data, user_id)
    assert key.public_key.verify(data, signature, user_id)
    assert not key.public_key.verify(data + b"\0", signature, user_id)
    assert not key.public_key.verify(data, signature, user_id + b"x")
    assert not Sm2PublicKey(POINT).verify(data, signature, user_id)


def test_a_user_id_too_long_for_its_length_field_is_refused(private: Sm2PrivateKey) -> None:
    with pytest.raises(SealFault):
        private.sign(MESSAGE, b"x" * 8192)
    assert not private.public_key.verify(MESSAGE, SIGNATURE, b"x" * 8192)


@needs_libcrypto
@settings(max_examples=10)
@given(st.integers(1, curve.N - 2))
def test_a_private_key_survives_its_files(scalar: int) -> None:
    key = Sm2PrivateKey.from_pkcs8_der(keyformat.pkcs8(scalar.to_bytes(32, "big"), None))
    assert Sm2PrivateKey.from_pkcs8_der(key.to_pkcs8_der()).to_pkcs8_der() == key.to_pkcs8_der()
    assert Sm2PrivateKey.from_pkcs8_der(key.to_pkcs8_der()).public_key == key.public_key
    assert Sm2PublicKey.from_spki_der(key.public_key.to_spki_der()) == key.public_key


def test_generated_keys_differ() -> None:
    assert len({Sm2PrivateKey.generate().public_key for _ in range(20)}) == 20


def test_a_public_key_of_another_private_key_is_refused() -> None:
    other = Sm2PrivateKey.generate().public_key.point
    with pytest.raises(KeyMalformed):
        Sm2PrivateKey.from_pkcs8_der(keyformat.pkcs8(SCALAR, other))


def test_a_private_key_is_not_shown_copied_or_pickled(private: Sm2PrivateKey) -> None:
    secret = SCALAR.hex()
    sealer = Sm2Sealer("seal-1", private)
    assert secret[:8] not in (repr(private) + repr(sealer) + repr(private.public_key)).lower()
    for careless in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            careless(private)
        with pytest.raises(TypeError):
            careless(private.public_key)


def test_a_sealer_knows_its_own_seal_and_no_other(private: Sm2PrivateKey) -> None:
    sealer = Sm2Sealer("seal-1", private)
    seal = sealer.seal(b"<EInvoice/>")
    assert seal.algorithm == "SM2-SM3"
    assert sealer.verify(b"<EInvoice/>", seal)
    assert not sealer.verify(b"<EInvoice />", seal)
    assert not sealer.verify(b"<EInvoice/>", replace(seal, key_id="seal-2"))
    assert not sealer.verify(b"<EInvoice/>", replace(seal, algorithm="SM2-SHA256"))
    assert not sealer.verify(b"<EInvoice/>", replace(seal, value=seal.value[:-1]))
    assert not Sm2Sealer("seal-1", Sm2PrivateKey.generate()).verify(b"<EInvoice/>", seal)
