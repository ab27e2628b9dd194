"""An invoice as an element of QDFPSC. Source of the fields: leqi_base_fields.tsv (V5.001)."""

from __future__ import annotations

import base64
import gzip
from decimal import Decimal

from kaipiao.authority.channel import UploadItem
from kaipiao.authority.leqi.settings import LeqiSettings
from kaipiao.clock import SHANGHAI
from kaipiao.errors import Internal
from kaipiao.invoice.model import Element, Invoice, Line
from kaipiao.invoice.tables import tables
from kaipiao.language import Text

_OWN_PLATFORM = "5"  # fpkjfsDm
_REGION = slice(2, 4)  # of a number
_SEAL_ALGORITHM = "SM2-SM3"

Fields = dict[str, object]


def element(item: UploadItem, invoice: Invoice, settings: LeqiSettings) -> Fields:
    """The invoice as the bureau takes it. Absent fields are left out; numbers go as strings, so nothing is rounded.

    Raises `Internal` for an invoice that the base ability cannot carry: admission should have refused it.
    """
    if invoice.kind is None or invoice.blue is None or invoice.special:
        raise Internal(
            Text("基础能力不能上传该发票", "The base ability cannot upload this invoice"), number=item.number
        )
    fields = _head(item, invoice, settings) | _sides(invoice) | _red(invoice)
    fields["fpmxList"] = [_line(position, line) for position, line in enumerate(invoice.lines, 1)]
    fields |= _extras(invoice.additional)
    if item.key_id in settings.public_keys:
        fields["ownSeal"] = _own_seal(item, settings.public_keys[item.key_id])
    return {name: value for name, value in fields.items() if value is not None}


def _head(item: UploadItem, invoice: Invoice, settings: LeqiSettings) -> Fields:
    assert invoice.kind is not None
    return {
        "fphm": item.number,
        "lzfpbz": "0" if invoice.blue else "1",
        "ptbh": settings.jrdwptbh,
        "fppz": tables().kinds[invoice.kind].upload,
        "gmfzrrbz": "Y" if invoice.buyer.natural_person else "N",
        "qyDm": item.number[_REGION],
        "hjje": _money(invoice.amount),
        "hjse": _money(invoice.tax or Decimal(0)),
        "jshj": _money(invoice.total),
        "kpr": invoice.drawer,
        "bz": invoice.remark or None,
        "ip": settings.device_ip,
        "macdz": settings.device_mac,
        "kprq": item.made_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S"),
        "fpkjfsDm": _OWN_PLATFORM,
    }


def _sides(invoice: Invoice) -> Fields:
    seller, buyer = invoice.seller, invoice.buyer
    return {
        "xsfnsrsbh": seller.tax_number,
        "xsfmc": seller.name,
        "xsfdz": seller.address or None,
        "xsfdh": seller.telephone or None,
        "xsfkhh": seller.bank or None,
        "xsfzh": seller.account or None,
        "gmfnsrsbh": buyer.tax_number or None,
        "gmfmc": buyer.name,
        "gmfdz": buyer.address or None,
        "gmfdh": buyer.telephone or None,
        "gmfkhh": buyer.bank or None,
        "gmfzh": buyer.account or None,
        "gmfjbr": buyer.handler or None,
    }


def _red(invoice: Invoice) -> Fields:
    if invoice.red is None:
        return {}
    return {"dylzfphm": invoice.red.blue_number, "hzqrxxdbh": invoice.red.confirmation}


def _line(position: int, line: Line) -> Fields:
    short, item = _split(line.name)
    tax = line.tax or Decimal(0)
    with_tax = line.amount_with_tax if line.amount_with_tax is not None else line.amount + tax
    fields: Fields = {
        "mxxh": position,
        "xmmc": item,
        "hwhyslwfwmc": line.name,
        "spfwjc": short,
        "ggxh": line.specification or None,
        "dw": line.unit or None,
        "sl": _plain(line.quantity),
        "dj": _plain(line.unit_price),
        "je": _money(line.amount),
        "slv": _plain(line.tax_rate or Decimal(0)),
        "se": _money(tax),
        "hsje": _money(with_tax),
        "sphfwssflhbbm": line.tax_code,
        "fphxz": line.nature.value,
        "yhzcbs": line.policy or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _split(name: str) -> tuple[str, str]:
    """`*简称*项目` → (简称, 项目)."""
    head, short, item = ([*name.split("*", 2), "", ""])[:3]
    if head or not short or not item:
        raise Internal(Text("项目名称不是 *简称*项目 的形式", "A line's name is not of the form *short name*item"))
    return short, item


def _extras(additional: tuple[Element, ...]) -> Fields:
    """附加要素 and payments, from the document's own elements (`Additional`, `Transaction`)."""
    extras: list[Fields] = []
    payments: list[Fields] = []
    for part in additional:
        parts = _texts(part)
        if part.name == "Additional" and parts.get("Information"):
            extras.append(
                {"fjysmc": parts["Information"], "fjyslx": "string", "fjysz": parts.get("InformationValue", "")}
            )
        if part.name == "Transaction":
            for record in map(_texts, part.children):
                payments.append(
                    {"zfqdDm": record.get("PaymentChannel", ""), "jydh": record.get("TransactionNumber", "")}
                )
    return {"fjysList": extras or None, "zfxxList": payments or None}


def _texts(element: Element) -> dict[str, str]:
    return {child.name: child.text or "" for child in element.children}


def _own_seal(item: UploadItem, public_key: str) -> Fields:
    """[own] Our seal over the frozen XML, for a bureau that checks it (the sandbox does)."""
    return {
        "alg": _SEAL_ALGORITHM,
        "keyId": item.key_id,
        "value": item.seal.hex(),
        "publicKey": public_key,
        "xml": base64.b64encode(gzip.compress(item.xml, mtime=0)).decode(),
    }


def _money(value: Decimal) -> str:
    return f"{value:.2f}"


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
