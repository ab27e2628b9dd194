"""The SM2 curve of GB/T 32918.5-2017: its numbers, whether a point or scalar belongs to it, and the digest that is signed.

Nothing here multiplies points: that is the engine's work. The checks stand in front of every engine, so that no
malformed point, scalar or signature reaches native code.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from kaipiao.seal.digest import sm3

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0

USER_ID = b"1234567812345678"  # GM/T 0009-2012, section 10
SCALAR_SIZE = 32  # bytes
POINT_SIZE = 65  # bytes: 04 ‖ X ‖ Y
SIGNATURE_MAX = 72  # bytes of DER(r, s)
USER_ID_MAX = 8191  # bytes: its length in bits is written in two bytes


def is_point(point: bytes) -> bool:
    """Is it 04 ‖ X ‖ Y and on the curve? (Cofactor 1: every such point has the right order.)"""
    if len(point) != POINT_SIZE or point[0] != 4:
        return False
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    return x < P and y < P and (y * y - (x * x * x + A * x + B)) % P == 0


def is_scalar(scalar: bytes) -> bool:
    """Is it a private key, 1 ≤ d ≤ n − 2, in 32 bytes?"""
    return len(scalar) == SCALAR_SIZE and 1 <= int.from_bytes(scalar, "big") <= N - 2


def is_signature(signature: bytes) -> bool:
    """Is it strict DER(r, s) with 1 ≤ r, s ≤ n − 1?"""
    if len(signature) > SIGNATURE_MAX:
        return False
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        return False
    return 1 <= r < N and 1 <= s < N and encode_dss_signature(r, s) == signature


def identity_digest(point: bytes, user_id: bytes = USER_ID) -> bytes:
    """Z_A of GB/T 32918.2-2016, 5.5: the digest of signer's id, curve and public key. 32 bytes."""
    numbers = b"".join(number.to_bytes(32, "big") for number in (A, B, GX, GY))
    return sm3((len(user_id) * 8).to_bytes(2, "big") + user_id + numbers + point[1:])


def message_digest(point: bytes, data: bytes, user_id: bytes = USER_ID) -> bytes:
    """e of GB/T 32918.2-2016, 6.1: SM3(Z_A ‖ data). 32 bytes."""
    return sm3(identity_digest(point, user_id) + data)
