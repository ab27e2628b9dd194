"""Made-up invoices for the tests of the channel."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from kaipiao.authority.channel import UploadItem
from kaipiao.invoice.canonical import invoice_bytes
from kaipiao.invoice.model import Invoice, Kind, Line, Party

MADE_AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NUMBER = "26117000000000000001"


def line(name: str = "*信息技术服务*开发服务", amount: str = "1000.00", rate: str = "0.06") -> Line:
    tax = (Decimal(amount) * Decimal(rate)).quantize(Decimal("0.01"))
    return Line(
        name=name,
        amount=Decimal(amount),
        tax_rate=Decimal(rate),
        tax=tax,
        tax_code="3040201000000000000",
        unit="项",
        quantity=Decimal(2),
        unit_price=Decimal(amount) / 2,
        amount_with_tax=Decimal(amount) + tax,
    )


def invoice(
    number: str = NUMBER, seller: Party | None = None, lines: tuple[Line, ...] = (), **changes: object
) -> Invoice:
    lines = lines or (line(),)
    amount, tax = sum((x.amount for x in lines), Decimal(0)), sum((x.tax or Decimal(0) for x in lines), Decimal(0))
    parts: dict[str, object] = {
        "number": number,
        "kind": Kind.GENERAL,
        "blue": True,
        "seller": seller or Party("测试销售有限公司", "91110000000000000A"),
        "buyer": Party("测试购买有限公司", "91110000000000000B"),
        "lines": lines,
        "amount": amount,
        "tax": tax,
        "total": amount + tax,
        "total_in_words": "壹仟零陆拾圆整",
        "drawer": "张三",
        "requested_at": "2026-11-24 11:00:00",
        "issued_at": "2026-11-24",
        "bureau_code": "11100000000",
        "bureau_name": "国家税务总局北京市税务局",
    }
    return Invoice(**{**parts, **changes})  # type: ignore[arg-type]


def item(made: Invoice | None = None, made_at: datetime = MADE_AT, *, key_id: str = "key-1") -> UploadItem:
    made = made or invoice()
    return UploadItem(made.number, made_at, invoice_bytes(made), b"<EInvoice/>", b"seal", key_id)
