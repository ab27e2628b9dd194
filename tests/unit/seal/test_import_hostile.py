"""Whatever is handed over is read or refused with a reason, soon, and nothing secret is ever shown."""

from __future__ import annotations

import logging
import time
import traceback

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kaipiao.errors import KaipiaoError, MaterialUnreadable, PasswordNeeded, PasswordWrong, TooLarge
from kaipiao.seal import certificates, keyformat
from kaipiao.seal.importing import der
from kaipiao.seal.importing.limits import LIMITS
from kaipiao.seal.importing.reading import read_material
from kaipiao.seal.sm2 import Sm2PrivateKey

PASSWORD = b"not-to-be-seen-anywhere"
KEY = Sm2PrivateKey.generate()
SCALAR = KEY._engine.scalar(KEY._handle)
AUTHORITY = certificates.sm2_self_signed("Authority", KEY)
P256 = ec.generate_private_key(ec.SECP256R1())
P12 = pkcs12.serialize_key_and_certificates(None, P256, None, None, serialization.BestAvailableEncryption(PASSWORD))
LOCKED = P256.private_bytes(
    serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(PASSWORD)
)
REFUSALS = (MaterialUnreadable, PasswordNeeded, PasswordWrong, TooLarge)
SAMPLES = [KEY.to_pkcs8_der(), keyformat.pem("PRIVATE KEY", KEY.to_pkcs8_der()), AUTHORITY, P12, LOCKED]


def read_or_refused(data: bytes, password: bytes | None = PASSWORD) -> None:
    try:
        found = read_material(data, password)
    except REFUSALS:
        return
    assert found


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
@example(b"")
@example(b"\x30\x80" * 2000)
@example(b"\x24\x80" * 2000 + b"\0\0" * 2000)
@example(b"-----BEGIN PRIVATE KEY-----")
@example(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----")
@example(b"\xff\xfe\x00")
def test_garbage_is_refused(data: bytes) -> None:
    read_or_refused(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_file_is_read_or_refused(sample: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(sample) - 1))
    octet = data.draw(st.integers(0, 255))
    read_or_refused(sample[:place] + bytes([octet]) + sample[place + 1 :])


@pytest.mark.parametrize("sample", SAMPLES, ids=["der", "pem", "certificate", "pkcs12", "locked"])
def test_a_file_cut_off_anywhere_is_refused(sample: bytes) -> None:
    whole = sample.rstrip()
    for length in range(0, len(whole) - 1, 7):
        with pytest.raises(KaipiaoError):
            read_material(whole[:length], PASSWORD)


def test_too_much_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(MaterialUnreadable, match=str(LIMITS.file_bytes)):
        read_material(b"\x30" * (LIMITS.file_bytes + 1))
    with pytest.raises(TooLarge):
        read_material(AUTHORITY * (LIMITS.objects + 1))
    assert len(read_material(AUTHORITY * LIMITS.objects)) == LIMITS.objects


def test_a_sequence_of_countless_parts_is_refused() -> None:
    with pytest.raises(MaterialUnreadable):
        _ = der.read(der.written(der.SEQUENCE, b"\x05\0" * 200_000)).children


def test_bers_open_lengths_and_strings_in_pieces_are_read() -> None:
    """As NSS and older Java write PKCS#12."""
    inner = der.read(b"\x30\x80\x24\x80\x04\x01a\x04\x01b\0\0\x02\x01\x05\0\0")
    assert [inner.child(0).octets, inner.child(1).number] == [b"ab", 5]
    for cut in (b"\x30\x80\x04\x01a", b"\x30\x80\x04\x01a\0", b"\x04\x80\0\0"):
        with pytest.raises(MaterialUnreadable):
            der.read(cut)


def _pbes2(derivation: bytes) -> bytes:
    """An encrypted key whose password costs what `derivation` says."""
    aes = der.written(der.SEQUENCE, bytes.fromhex("060960864801650304012a"), der.written(der.OCTET_STRING, bytes(16)))
    oid = bytes.fromhex("06092a864886f70d01050d")
    scheme = der.written(der.SEQUENCE, oid, der.written(der.SEQUENCE, derivation, aes))
    return der.written(der.SEQUENCE, scheme, der.written(der.OCTET_STRING, bytes(64)))


def _number(value: int) -> bytes:
    return der.written(der.INTEGER, value.to_bytes(8, "big"))


@pytest.mark.parametrize("rounds", [2**62, LIMITS.iterations + 1, 0, -1])
def test_a_password_that_would_cost_hours_is_refused_at_once(rounds: int) -> None:
    count = der.written(der.INTEGER, rounds.to_bytes(8, "big", signed=True))
    values = der.written(der.SEQUENCE, der.written(der.OCTET_STRING, bytes(8)), count)
    pbkdf2 = der.written(der.SEQUENCE, bytes.fromhex("06092a864886f70d01050c"), values)
    begin = time.perf_counter()
    with pytest.raises(MaterialUnreadable):
        read_material(_pbes2(pbkdf2), PASSWORD)
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("cost", [(2**40, 8, 1), (2**14, 2**20, 1), (2**14, 8, 2**20), (3, 8, 1), (0, 0, 0)])
def test_scrypt_that_would_fill_the_memory_is_refused(cost: tuple[int, int, int]) -> None:
    values = der.written(der.SEQUENCE, der.written(der.OCTET_STRING, bytes(8)), *map(_number, cost))
    scrypt = der.written(der.SEQUENCE, bytes.fromhex("06092b06010401da47040b"), values)
    with pytest.raises(MaterialUnreadable):
        read_material(_pbes2(scrypt), PASSWORD)


def test_a_scalar_that_is_no_key_is_refused() -> None:
    for scalar in (bytes(32), b"\xff" * 32):
        with pytest.raises(MaterialUnreadable):
            read_material(keyformat.pkcs8(scalar, None))


def test_a_scalar_written_without_its_leading_zeros_is_the_same_key() -> None:
    """Some programs write numbers, not 32 octets."""
    for scalar in (b"\x05", b"\0\0" + b"\x05".rjust(32, b"\0")):
        oid = der.written(0xA0, bytes.fromhex("06082a811ccf5501822d"))
        (key,) = read_material(der.written(der.SEQUENCE, b"\x02\x01\x01", der.written(der.OCTET_STRING, scalar), oid))
        assert (
            key.public_key
            == Sm2PrivateKey.from_pkcs8_der(keyformat.pkcs8(b"\x05".rjust(32, b"\0"), None)).public_key.to_spki_der()
        )


def test_neither_password_nor_key_is_in_a_repr_a_fault_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [repr(read_material(data, PASSWORD)) for data in SAMPLES]
    for data, password in ((LOCKED, PASSWORD + b"!"), (P12, PASSWORD + b"!"), (KEY.to_pkcs8_der()[:-20], PASSWORD)):
        try:
            read_material(data, password)
        except KaipiaoError as fault:
            shown += [repr(fault), repr(fault.facts), "".join(traceback.format_exception(fault))]
        else:
            pytest.fail("it was read")
    whole = "".join(shown) + caplog.text
    number = P256.private_numbers().private_value
    for secret in (PASSWORD.decode(), SCALAR.hex(), repr(SCALAR)[2:-1], f"{number:x}", str(number)):
        assert secret not in whole


def test_a_wrong_password_is_told_from_a_file_that_is_none() -> None:
    for sample in (LOCKED, P12):
        with pytest.raises(PasswordWrong):
            read_material(sample, b"another")
