"""PKCS#12 (RFC 7292) with SM2 or other keys: the MAC first, then every bag, encrypted or not."""

from __future__ import annotations

import hmac

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import pkcs12 as library

from kaipiao.errors import MaterialUnreadable, PasswordNeeded, PasswordWrong
from kaipiao.seal.importing import der, keys, unlocking
from kaipiao.seal.importing.certificates import certificate
from kaipiao.seal.importing.der import unreadable
from kaipiao.seal.importing.found import Found
from kaipiao.seal.importing.limits import LIMITS
from kaipiao.seal.importing.unlocking import Unlocker

DATA, ENCRYPTED = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.6"
_BAGS = "1.2.840.113549.1.12.10.1."
_KEY, _SHROUDED, _CERTIFICATE, _NESTED = (f"{_BAGS}{number}" for number in (1, 2, 3, 6))
_X509 = "1.2.840.113549.1.9.22.1"
_FORM = "PKCS#12"


def is_pkcs12(node: der.Node) -> bool:
    return der.tags(node)[:2] == [der.INTEGER, der.SEQUENCE] and node.child(0).content == b"\x03"


def bags(pfx: der.Node, unlocker: Unlocker) -> list[Found]:
    """Every key and certificate. A file made without a password opens without one.

    Raises `PasswordNeeded`, `PasswordWrong`, `MaterialUnreadable`."""
    if not unlocker.has_password:
        try:
            return bags(pfx, Unlocker(b""))
        except PasswordWrong:
            raise PasswordNeeded from None
    safe = _content(pfx.child(1))
    if len(pfx.children) > 2:
        _check(pfx.child(2, der.SEQUENCE), safe, unlocker)
    found: list[Found] = []
    for part in der.read(safe).children:
        found += _of_part(part, unlocker)
        if len(found) > LIMITS.objects:
            raise unreadable("对象过多", "it holds too many objects")
    return found


def _check(mac: der.Node, safe: bytes, unlocker: Unlocker) -> None:
    digest = mac.child(0).child(0).child(0).oid
    if digest not in unlocking.DIGESTS:
        raise unreadable(f"不支持的 PKCS#12 校验 {digest}", f"the MAC {digest} of PKCS#12 is not supported")
    rounds = mac.child(2).number if len(mac.children) > 2 else 1
    salt, stated = mac.child(1, der.OCTET_STRING).content, mac.child(0).child(1, der.OCTET_STRING).content
    if not hmac.compare_digest(unlocker.mac(unlocking.DIGESTS[digest], salt, rounds, safe), stated):
        raise PasswordWrong


def _content(info: der.Node) -> bytes:
    """The bytes of a ContentInfo of kind `data`."""
    if info.child(0).oid != DATA:
        raise unreadable("PKCS#12 以证书加密或签名，不支持", "PKCS#12 under a public key is not supported")
    return info.child(1, 0xA0).child(0).octets


def _of_part(part: der.Node, unlocker: Unlocker) -> list[Found]:
    if part.child(0).oid != ENCRYPTED:
        return _of_bags(der.read(_content(part)), unlocker, 0)
    encrypted = part.child(1, 0xA0).child(0).child(1, der.SEQUENCE)
    algorithm = encrypted.child(1, der.SEQUENCE)
    if algorithm.child(0).oid == unlocking.RC2_40:
        return _of_old_cipher(part, algorithm, unlocker)
    return _of_bags(_decoded(unlocker.decrypted(algorithm, encrypted.child(2).octets)), unlocker, 0)


def _of_bags(contents: der.Node, unlocker: Unlocker, depth: int) -> list[Found]:
    found: list[Found] = []
    for bag in contents.children:
        kind, value = bag.child(0).oid, bag.child(1, 0xA0).child(0)
        if kind == _KEY:
            found.append(keys.of_pkcs8(value, _FORM))
        elif kind == _SHROUDED:
            plain = unlocker.decrypted(value.child(0, der.SEQUENCE), value.child(1).octets)
            found.append(keys.of_pkcs8(_decoded(plain), _FORM))
        elif kind == _CERTIFICATE and value.child(0).oid == _X509:
            found.append(certificate(value.child(1, 0xA0).child(0).octets, _FORM))
        elif kind == _NESTED and depth < 4:
            found += _of_bags(value, unlocker, depth + 1)
    return found


def _of_old_cipher(part: der.Node, algorithm: der.Node, unlocker: Unlocker) -> list[Found]:
    """40-bit RC2, which old programs put over certificates. Only the PKCS#12 reader of `cryptography` has it, and that
    takes no SM2 key: so it is given a PKCS#12 of this part alone, under a MAC made here."""
    rounds = algorithm.child(1, der.SEQUENCE).child(1).number
    safe, salt = der.written(der.SEQUENCE, part.raw), bytes(8)
    unlocker.pay(rounds)
    mac = unlocker.mac("sha1", salt, 2, safe)
    oid = der.written(der.OID, bytes.fromhex("2b0e03021a"))
    digest = der.written(der.SEQUENCE, der.written(der.SEQUENCE, oid, b"\x05\0"), der.written(der.OCTET_STRING, mac))
    data = der.written(der.OID, bytes.fromhex("2a864886f70d010701"))
    content = der.written(der.SEQUENCE, data, der.written(0xA0, der.written(der.OCTET_STRING, safe)))
    stamp = der.written(der.SEQUENCE, digest, der.written(der.OCTET_STRING, salt), b"\x02\x01\x02")
    whole = der.written(der.SEQUENCE, b"\x02\x01\x03", content, stamp)
    try:
        opened = library.load_pkcs12(whole, unlocker.pkcs12_password())
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise unreadable(
            "证书以 40 位 RC2 加密，无法读取；请用 openssl pkcs12 -export 重新导出",
            "its certificates are under 40-bit RC2 and cannot be read: export it anew",
        ) from None
    return [certificate(one.certificate.public_bytes(Encoding.DER), _FORM) for one in opened.additional_certs]


def _decoded(plain: bytes) -> der.Node:
    """What was decrypted. No DER in it means a wrong password that happened to leave sound padding."""
    try:
        return der.read(plain)
    except MaterialUnreadable:
        raise PasswordWrong from None
