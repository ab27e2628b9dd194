"""Malformed keys, points, certificates and signatures are refused in words; the process lives."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from kaipiao.errors import KeyMalformed, SealFault
from kaipiao.seal import certificates, curve, keyformat
from kaipiao.seal.engine import sm2_engine
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2PublicKey

KEY = Sm2PrivateKey.generate()
PKCS8 = KEY.to_pkcs8_der()
SPKI = KEY.public_key.to_spki_der()
SIGNATURE = KEY.sign(b"data")


def mutated(original: bytes) -> st.SearchStrategy[bytes]:
    """The original with a byte changed, cut off, or with something behind it."""
    changed = st.tuples(st.integers(0, len(original) - 1), st.integers(1, 255)).map(
        lambda at: original[: at[0]] + bytes([original[at[0]] ^ at[1]]) + original[at[0] + 1 :]
    )
    cut = st.integers(0, len(original) - 1).map(lambda length: original[:length])
    longer = st.binary(min_size=1, max_size=20).map(lambda tail: original + tail)
    return st.one_of(changed, cut, longer, st.binary(max_size=200))


@settings(max_examples=200)
@given(mutated(SIGNATURE))
def test_no_mutated_signature_verifies(signature: bytes) -> None:
    assert signature == SIGNATURE or not KEY.public_key.verify(b"data", signature)


@settings(max_examples=150)
@given(mutated(SIGNATURE))
def test_the_native_library_itself_survives_mutated_signatures(signature: bytes) -> None:
    engine = sm2_engine()
    assert signature == SIGNATURE or not engine.verify(KEY.public_key._handle, b"data", signature, curve.USER_ID)


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (0, 0), (curve.N, 1), (1, curve.N), (2**256 - 1, 2**256 - 1)])
def test_numbers_outside_the_group_are_no_signature(r: int, s: int) -> None:
    assert not KEY.public_key.verify(b"data", encode_dss_signature(r, s))


def test_a_signature_of_a_megabyte_is_refused_at_once() -> None:
    assert not KEY.public_key.verify(b"data", SIGNATURE * 15_000)


@settings(max_examples=200)
@given(mutated(SPKI))
def test_a_mutated_public_key_is_another_one_or_refused(der: bytes) -> None:
    try:
        key = Sm2PublicKey.from_spki_der(der)
    except KeyMalformed:
        return
    assert key.to_spki_der() == der


@settings(max_examples=200)
@given(mutated(PKCS8))
def test_a_mutated_private_key_is_the_same_or_refused(der: bytes) -> None:
    try:
        outcome = Sm2PrivateKey.from_pkcs8_der(der).to_pkcs8_der().hex()
    except KeyMalformed as fault:
        outcome = f"{fault} {fault.detail.zh} {fault.facts}"
    assert outcome == PKCS8.hex() or PKCS8.hex()[80:100] not in outcome


G = curve.GX.to_bytes(32, "big") + curve.GY.to_bytes(32, "big")
OFF_THE_CURVE = [
    b"",
    b"\x04" + b"\x00" * 64,
    b"\x04" + b"\xff" * 64,
    b"\x04" + G[:-1] + bytes([G[-1] ^ 1]),
    b"\x04" + G + b"\x00",
    b"\x04" + G[:-1],
]
OTHER_FORMS = [b"\x00", b"\x02" + G[:32], b"\x06" + G]  # infinity, compressed, hybrid: OpenSSL takes these


@pytest.mark.parametrize("point", OFF_THE_CURVE + OTHER_FORMS)
def test_what_is_no_plain_point_of_the_curve_is_refused(point: bytes) -> None:
    with pytest.raises(KeyMalformed):
        Sm2PublicKey.from_point(point)
    with pytest.raises(KeyMalformed):
        Sm2PublicKey.from_spki_der(keyformat.spki(point))


@pytest.mark.skipif(
    sm2_engine().name == "gmssl-pyx", reason="no OpenSSL 3 here: the fallback checks no point by itself"
)
@pytest.mark.parametrize("point", OFF_THE_CURVE)
def test_the_native_library_refuses_it_too(point: bytes) -> None:
    with pytest.raises(SealFault):
        sm2_engine().load_public(point)


def test_a_coordinate_is_spelled_in_one_way_only() -> None:
    """A small x may also be written as x + p in 32 bytes: one key would have two spellings."""
    for x in range(1, 100):
        y = pow(x**3 + curve.A * x + curve.B, (curve.P + 1) // 4, curve.P)
        plain = b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
        if curve.is_point(plain):
            break
    assert curve.is_point(plain)
    assert not curve.is_point(b"\x04" + (x + curve.P).to_bytes(32, "big") + y.to_bytes(32, "big"))


NEGATIVE_R = b"\x30\x06\x02\x01\x80\x02\x01\x01"
LONG_LENGTH = b"\x30\x81\x06\x02\x01\x01\x02\x01\x01"
PADDED_R = b"\x30\x07\x02\x02\x00\x01\x02\x01\x01"
ONE_ONE = b"\x30\x06\x02\x01\x01\x02\x01\x01"


def test_a_signature_is_spelled_in_one_way_only() -> None:
    assert curve.is_signature(SIGNATURE)
    assert curve.is_signature(ONE_ONE)
    for other in (NEGATIVE_R, LONG_LENGTH, PADDED_R, ONE_ONE + b"\0", b"", encode_dss_signature(curve.N, 1)):
        assert not curve.is_signature(other)


def test_a_point_with_bits_declared_unused_is_refused() -> None:
    key = KEY
    while key.public_key.point[-1] & 1:
        key = Sm2PrivateKey.generate()
    der = key.public_key.to_spki_der()
    at = len(der) - curve.POINT_SIZE - 1
    assert Sm2PublicKey.from_spki_der(der)
    with pytest.raises(KeyMalformed):
        Sm2PublicKey.from_spki_der(der[:at] + b"\x01" + der[at + 1 :])


def test_the_generator_is_a_point() -> None:
    assert Sm2PublicKey.from_point(b"\x04" + curve.GX.to_bytes(32, "big") + curve.GY.to_bytes(32, "big"))


@pytest.mark.parametrize("scalar", [0, curve.N - 1, curve.N, 2**256 - 1])
def test_a_scalar_outside_the_group_is_refused(scalar: int) -> None:
    with pytest.raises(KeyMalformed):
        Sm2PrivateKey.from_pkcs8_der(keyformat.pkcs8(scalar.to_bytes(32, "big"), None))


def test_keys_of_another_curve_are_refused() -> None:
    authority = certificates.new_authority("P-256")
    with pytest.raises(KeyMalformed):
        Sm2PrivateKey.from_pkcs8_der(base64.b64decode(b"".join(authority.key_pem.splitlines()[1:-1])))
    with pytest.raises(KeyMalformed):
        Sm2PublicKey.from_certificate(authority.certificate_pem)


@given(st.binary(max_size=300))
def test_no_bytes_pass_for_a_certificate(data: bytes) -> None:
    with pytest.raises(KeyMalformed):
        Sm2PublicKey.from_certificate(data)
