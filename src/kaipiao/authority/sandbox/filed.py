"""An uploaded invoice as values, and its tax-relevant content as a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kaipiao.authority.sandbox.call import parse_local
from kaipiao.authority.sandbox.data_tables import limits
from kaipiao.authority.sandbox.form import Refusal, check_part
from kaipiao.authority.sandbox.values import number, text, to_json

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FiledLine:
    """`quantity` and `price` are None when absent; `rate` is a fraction."""

    position: int
    name: str
    short_name: str
    item: str
    code: str
    nature: str
    policy: str
    quantity: Decimal | None
    price: Decimal | None
    amount: Decimal
    rate: Decimal
    tax: Decimal
    amount_with_tax: Decimal


@dataclass(frozen=True, slots=True)
class Filed:
    """What one element of an upload says. `issued_at` in UTC; `raw` is the element itself."""

    number: str
    blue: bool
    kind: str  # fppz
    platform: str
    seller: str
    buyer: str
    buyer_name: str
    natural_person: bool
    amount: Decimal
    tax: Decimal
    total: Decimal
    issued_at: datetime
    blue_number: str
    lines: tuple[FiledLine, ...]
    raw: Record


def read_filed(raw: object) -> Filed | Refusal:
    """Check the form and read it. Never raises: whatever is wrong becomes a refusal of this invoice alone."""
    if not isinstance(raw, dict):
        return Refusal("own-FORM-01", "发票须为对象")
    return _check_form(raw) or _read(raw)


def _check_form(raw: Record) -> Refusal | None:
    lines = raw.get("fpmxList")
    if not isinstance(lines, list) or not lines or len(lines) > limits().lines:
        return Refusal("own-FORM-02", f"发票明细须为1至{limits().lines}行")
    return check_part("QDFPSC", "head", raw) or _check_lists(raw, lines)


def _check_lists(raw: Record, lines: list[object]) -> Refusal | None:
    for part, name in (("line", "fpmxList"), ("extra", "fjysList"), ("voucher", "cekcList"), ("payment", "zfxxList")):
        entries = lines if part == "line" else raw.get(name)
        if entries is None or entries == "":
            continue
        if not isinstance(entries, list):
            return Refusal("own-FORM-03", f"{name}须为数组")
        for position, entry in enumerate(entries, 1):
            refusal = _check_entry(part, name, position, entry)
            if refusal is not None:
                return refusal
    return None


def _check_entry(part: str, name: str, position: int, entry: object) -> Refusal | None:
    if not isinstance(entry, dict):
        return Refusal("own-FORM-03", f"{name}第{position}项须为对象")
    return check_part("QDFPSC", part, entry, f"{name}第{position}项")


def _read(raw: Record) -> Filed:
    lines = raw["fpmxList"]
    assert isinstance(lines, list)
    return Filed(
        number=_text(raw, "fphm"),
        blue=_text(raw, "lzfpbz") == "0",
        kind=_text(raw, "fppz"),
        platform=_text(raw, "ptbh"),
        seller=_text(raw, "xsfnsrsbh"),
        buyer=_text(raw, "gmfnsrsbh"),
        buyer_name=_text(raw, "gmfmc"),
        natural_person=_text(raw, "gmfzrrbz") == "Y",
        amount=_number(raw, "hjje"),
        tax=_number(raw, "hjse"),
        total=_number(raw, "jshj"),
        issued_at=parse_local(_text(raw, "kprq")),
        blue_number=_text(raw, "dylzfphm"),
        lines=tuple(_read_line(line) for line in lines),
        raw=raw,
    )


def _read_line(line: Record) -> FiledLine:
    return FiledLine(
        position=int(_number(line, "mxxh")),
        name=_text(line, "hwhyslwfwmc"),
        short_name=_text(line, "spfwjc"),
        item=_text(line, "xmmc"),
        code=_text(line, "sphfwssflhbbm"),
        nature=_text(line, "fphxz"),
        policy=_text(line, "yhzcbs"),
        quantity=_decimal_text(line, "sl"),
        price=_decimal_text(line, "dj"),
        amount=_number(line, "je"),
        rate=_number(line, "slv"),
        tax=_number(line, "se"),
        amount_with_tax=_number(line, "hsje"),
    )


def _text(record: Record, name: str) -> str:
    return text(record.get(name)) or ""


def _number(record: Record, name: str) -> Decimal:
    return number(record.get(name)) or Decimal(0)


def _decimal_text(record: Record, name: str) -> Decimal | None:
    """Quantity and price are texts in the table: one that is no number is read as NaN and refused by the arithmetic."""
    try:
        return number(record.get(name))
    except ValueError:
        return Decimal("NaN")


def content_digest(filed: Filed) -> bytes:
    """SHA-256 over what matters for tax, from values: 1, "1.00" and 1.0 are the same. Not ip, macdz, kpr, bz or the time."""
    head = [
        filed.number, "0" if filed.blue else "1", filed.kind, filed.seller, filed.buyer, filed.buyer_name,
        _plain(filed.amount), _plain(filed.tax), _plain(filed.total), filed.blue_number,
    ]  # fmt: skip
    lines = [
        [
            line.name, line.code, _plain(line.quantity), _plain(line.price), _plain(line.amount), _plain(line.rate),
            _plain(line.tax), line.nature,
        ]
        for line in filed.lines
    ]  # fmt: skip
    return hashlib.sha256(to_json([head, lines]).encode()).digest()


def _plain(value: Decimal | None) -> str | None:
    if value is None:
        return None
    plain = f"{value:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in {"-0", ""} else plain
