"""The optional [own] field `ownSeal` of an uploaded invoice: the seller's seal over the frozen XML.

Absent is accepted. Present, it must be a sound SM2 seal over the XML bytes, and the XML must name the same invoice."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from lxml import etree

from kaipiao.authority.sandbox.data_tables import limits
from kaipiao.authority.sandbox.filed import Filed
from kaipiao.authority.sandbox.form import Refusal
from kaipiao.errors import SealFault
from kaipiao.seal.sm2 import Sm2PublicKey

CODE = "own-SEAL-01"
_ALGORITHM = "SM2-SM3"


def check_seal(filed: Filed) -> Refusal | None:
    """None when there is no seal or it holds."""
    seal = filed.raw.get("ownSeal")
    if seal is None or seal == "":
        return None
    problem = _problem(seal, filed)
    return None if problem is None else Refusal(CODE, problem)


def _problem(seal: object, filed: Filed) -> str | None:
    if not isinstance(seal, dict) or seal.get("alg") != _ALGORITHM or not seal.get("keyId"):
        return "签章须含alg=SM2-SM3与keyId"
    try:
        xml = unpack_xml(str(seal.get("xml", "")))
        signature, point = bytes.fromhex(str(seal.get("value", ""))), bytes.fromhex(str(seal.get("publicKey", "")))
    except ValueError:
        return "签章字段无法解码"
    if not _holds(point, xml, signature):
        return "签章与文件不符"
    return None if _names(xml, filed) else "签章文件与发票不一致"


def unpack_xml(packed: str) -> bytes:
    """base64(gzip(XML)) → XML, of bounded size. Raises ValueError."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        xml = unpacker.decompress(base64.b64decode(packed, validate=True), limits().seal_xml_bytes)
    except (binascii.Error, zlib.error) as fault:
        raise ValueError("not base64 of gzip") from fault
    if not unpacker.eof:
        raise ValueError("cut or too large")
    return xml


@lru_cache(maxsize=64)
def _public_key(point: bytes) -> Sm2PublicKey:
    """Loading a key costs more than a check with it, and a seller has few."""
    return Sm2PublicKey(point)


def _holds(point: bytes, xml: bytes, signature: bytes) -> bool:
    try:
        return _public_key(point).verify(xml, signature)
    except SealFault:
        return False


def _names(xml: bytes, filed: Filed) -> bool:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(xml, parser)
        same_total = Decimal(_first(root, "TotalTax-includedAmount")) == filed.total
    except (etree.XMLSyntaxError, InvalidOperation):
        return False
    return same_total and _first(root, "EIid") == filed.number


def _first(root: etree._Element, name: str) -> str:
    element = next(root.iter(name), None)
    return (element.text or "").strip() if element is not None else ""


def without_seal(raw: Mapping[str, object]) -> dict[str, object]:
    """What the books keep of an invoice."""
    return {name: value for name, value in raw.items() if name != "ownSeal"}
