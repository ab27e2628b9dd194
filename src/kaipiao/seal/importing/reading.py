"""What does this file hold? PEM (in any number and order), DER, or base64 without armour."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from kaipiao.errors import MaterialUnreadable, PasswordNeeded, PasswordWrong, TooLarge
from kaipiao.language import Text
from kaipiao.seal.importing import certificates, der, keys, pkcs12
from kaipiao.seal.importing.der import unreadable
from kaipiao.seal.importing.found import Found
from kaipiao.seal.importing.limits import LIMITS
from kaipiao.seal.importing.unlocking import Unlocker

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,40})-----")
_PARAMETERS = (b"PARAMETERS", b"DH PARAMETERS")
_REQUESTS = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
_SKIPPED = (*_REQUESTS, b"X509 CRL")
_OPENSSH = b"OPENSSH PRIVATE KEY"
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]+")


def read_material(data: bytes, password: bytes | None = None) -> list[Found]:
    """Everything that is recognised, in the order of the file; at least one thing. Nothing is written or logged.

    Raises `MaterialUnreadable`, `PasswordNeeded`, `PasswordWrong`, `TooLarge`; no fault shows content or password."""
    if not data:
        raise unreadable("文件是空的", "the file is empty")
    if len(data) > LIMITS.file_bytes:
        raise unreadable(
            f"文件超过 {LIMITS.file_bytes} 字节，不会是密钥或证书",
            f"it has more than {LIMITS.file_bytes} bytes: no key or certificate has",
        )
    unlocker, text = Unlocker(password), _text(data)
    if _BEGIN.search(text):
        found = [one for block in _blocks(text) for one in _of_block(*block, unlocker)]
    else:
        found = _of_der(der.read(_unarmoured(data, text)), unlocker)
    if not found:
        raise _nothing(text)
    if len(found) > LIMITS.objects:
        raise TooLarge(Text("文件中的对象过多。", "The file holds too many objects."), limit=LIMITS.objects)
    return found


def _nothing(text: bytes) -> MaterialUnreadable:
    """Whoever asks an authority for a certificate has two files that look alike."""
    if any(label in _REQUESTS for label in _BEGIN.findall(text)):
        return unreadable(
            "只有证书请求：请提供 CA 据此签发的证书",
            "only a certificate request: give the certificate that the authority issued for it",
        )
    return unreadable("文件中没有密钥或证书", "there is no key or certificate in it")


def _unknown() -> MaterialUnreadable:
    return unreadable("不是已知的密钥或证书格式", "it is in no form of key or certificate that is known here")


def _text(data: bytes) -> bytes:
    """Without a byte order mark; UTF-16, as some editors save, becomes what it says."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode("utf-8")
    return data.removeprefix(b"\xef\xbb\xbf")


def _unarmoured(data: bytes, text: bytes) -> bytes:
    plain = data
    if _BASE64.fullmatch(text):
        try:
            plain = base64.b64decode(b"".join(text.split()), validate=True)
        except binascii.Error:
            raise _unknown() from None
    if plain[:1] != bytes([der.SEQUENCE]):
        raise _unknown()
    return plain


def _blocks(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(label, body) of every PEM block. One that does not end is a file cut off."""
    for number, begin in enumerate(_BEGIN.finditer(text)):
        if number >= 2 * LIMITS.objects:
            raise TooLarge(Text("文件中的对象过多。", "The file holds too many objects."), limit=LIMITS.objects)
        body, end, _ = text[begin.end() :].partition(b"-----END " + begin[1] + b"-----")
        if not end or _BEGIN.search(body):
            raise unreadable("PEM 被截断", "its PEM is cut off")
        yield begin[1], body


def _of_block(label: bytes, body: bytes, unlocker: Unlocker) -> list[Found]:
    if label.endswith(_PARAMETERS) or label in _SKIPPED:
        return []
    if label == _OPENSSH:
        raise unreadable(
            "OpenSSH 格式的私钥：请先用 ssh-keygen -p -m PKCS8 -f 文件 转换",
            "a private key in OpenSSH's own form: convert it by `ssh-keygen -p -m PKCS8 -f FILE`",
        )
    headers, content = _headers(body)
    try:
        plain = base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        raise unreadable("PEM 内的 base64 有误", "the base64 inside the PEM is broken") from None
    if b"DEK-Info" in headers:
        return _of_old_pem(label, headers[b"DEK-Info"], plain, unlocker)
    return _of_der(der.read(plain), unlocker)


def _headers(body: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """RFC 1421's headers, which stand before an empty line, and the rest."""
    lines = body.strip().splitlines()
    pairs = [line.partition(b":") for line in lines if b":" in line]
    return {name.strip(): value.strip() for name, _, value in pairs}, b"\n".join(
        line for line in lines if b":" not in line
    )


def _of_old_pem(label: bytes, info: bytes, data: bytes, unlocker: Unlocker) -> list[Found]:
    cipher, _, iv = info.decode("ascii", "replace").partition(",")
    try:
        plain = unlocker.pem_decrypted(cipher.strip().upper(), bytes.fromhex(iv), data)
    except ValueError:
        raise unreadable("PEM 的 DEK-Info 有误", "the PEM's DEK-Info is broken") from None
    return _decrypted(plain, unlocker)


def _decrypted(plain: bytes, unlocker: Unlocker) -> list[Found]:
    """A wrong password may leave sound padding by chance: then what is inside is no key."""
    try:
        return _of_der(der.read(plain), unlocker)
    except MaterialUnreadable as fault:
        if fault.detail == der.broken().detail:
            raise PasswordWrong from None
        raise


def _of_der(node: der.Node, unlocker: Unlocker) -> list[Found]:
    tags = der.tags(node) if node.tag == der.SEQUENCE else []
    if pkcs12.is_pkcs12(node):
        return pkcs12.bags(node, unlocker)
    if certificates.is_signed_data(node):
        return certificates.of_signed_data(node)
    if certificates.is_seal(node):
        return certificates.of_seal(node)
    if tags == [der.SEQUENCE, der.OCTET_STRING]:
        return _of_encrypted(node, unlocker)
    return [_single(node, tags)]


def _single(node: der.Node, tags: list[int]) -> Found:
    """The forms that hold one thing, told apart by what they are made of."""
    if tags[:3] == [der.INTEGER, der.SEQUENCE, der.OCTET_STRING]:
        return keys.of_pkcs8(node)
    if tags[:2] == [der.INTEGER, der.OCTET_STRING]:
        return keys.of_sec1(node)
    if tags == [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        return certificates.certificate(node.raw)
    if tags == [der.SEQUENCE, der.BIT_STRING]:
        return Found("public-key", *keys.described(node), "SPKI", node.raw)
    if len(tags) >= 9 and set(tags[:9]) == {der.INTEGER}:
        return keys.of_rsa(node)
    raise _unknown()


def _of_encrypted(node: der.Node, unlocker: Unlocker) -> list[Found]:
    if not unlocker.has_password:
        raise PasswordNeeded
    return _decrypted(unlocker.decrypted(node.child(0), node.child(1).octets), unlocker)
