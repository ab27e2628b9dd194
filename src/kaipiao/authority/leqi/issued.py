"""The list of what was issued: PLFPXZSQ applies, PLFPXZSQFK fetches. The fields are the sandbox's [own]; that packets hold at
most 2,000 and are base64 of gzip of JSON is published (business rules 4.10)."""

from __future__ import annotations

import base64
import binascii
import calendar
from collections.abc import Mapping

from kaipiao.authority.channel import ListedInvoice, ListPacket
from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.content import of_face
from kaipiao.authority.leqi.reading import Data
from kaipiao.authority.transport.unpack import Bomb, NotPacked, gunzip
from kaipiao.invoice.model import Kind
from kaipiao.invoice.tables import tables

_ISSUED = "2"  # sjlx
_TICKET_LIMIT = 40
_PACKET_MOST = 2000  # invoices
_PACKED_AT_MOST = 64 * 1024 * 1024  # characters
_UNPACKED_AT_MOST = 256 * 1024 * 1024
_MOST = 10**7


def request(taxpayer: str, month: str, kind: str) -> Mapping[str, object]:
    year, number = (int(part) for part in month.split("-"))
    last = calendar.monthrange(year, number)[1]
    query = tables().kinds[Kind(kind)].query
    return {"nsrsbh": taxpayer, "sjlx": _ISSUED, "fplx": query, "kprqq": f"{month}-01", "kprqz": f"{month}-{last}"}


def ticket(data: Data) -> str | None:
    number = reading.text(data.get("pclsh"), _TICKET_LIMIT + 1)
    return number if number and len(number) <= _TICKET_LIMIT else None


def packet(data: Data, wanted: int) -> ListPacket | None:
    """None unless it is the packet that was asked for and every invoice in it can be read: a list with a hole in it would
    make sound invoices look missing."""
    at, packets, count = (_whole(data.get(name)) for name in ("sjbxh", "sjbsl", "fpsl"))
    entries = _entries(data.get("sjb"))
    if at != wanted or packets is None or count is None or entries is None or not 1 <= at <= packets:
        return None
    return ListPacket(at, packets, count, entries)


def _entries(packed: object) -> tuple[ListedInvoice, ...] | None:
    if not isinstance(packed, str) or len(packed) > _PACKED_AT_MOST:
        return None
    try:
        plain = gunzip(base64.b64decode(packed, validate=True), _UNPACKED_AT_MOST)
    except (binascii.Error, ValueError, Bomb, NotPacked):
        return None
    listed = reading.parse(plain)
    if not isinstance(listed, list) or len(listed) > _PACKET_MOST:
        return None
    found = [_entry(reading.as_object(one)) for one in listed]
    return None if None in found else tuple(one for one in found if one is not None)


def _entry(face: Data) -> ListedInvoice | None:
    number, colour = reading.text(face.get("fphm")), reading.code(face.get("sflzfp"))
    amount, tax, total = (reading.number(face.get(name)) for name in ("hjje", "hjse", "jshj"))
    if not number or amount is None or tax is None or total is None or colour not in {"Y", "N"}:
        return None
    return ListedInvoice(
        number=number,
        kind=_kind(reading.code(face.get("fppzDm"))),
        blue=colour == "Y",
        amount=amount,
        tax=tax,
        total=total,
        buyer=reading.text(face.get("gmfnsrsbh")),
        buyer_name=reading.text(face.get("gmfmc")),
        content_digest=of_face(face),
    )


def _kind(query: str) -> str:
    known = {row.query: kind.value for kind, row in tables().kinds.items()}
    return known.get(query, query)


def _whole(value: object) -> int | None:
    found = reading.number(value)
    return int(found) if found is not None and 0 <= found <= _MOST and found == int(found) else None
