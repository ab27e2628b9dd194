"""What an invoice is. Pure data: no I/O, no clock, no settings.

Money is CNY with two decimals; rates are fractions (0.13); absent is `None`, present but empty is `""` (the XML
distinguishes them, so a document that is read and written again stays the same). Decimals keep the scale they came with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    """票种 of the 数电票 family. More follow as data, the code never counts on there being two."""

    SPECIAL = "special"  # 数电专: XML 01, upload fppz 01, QR 31
    GENERAL = "general"  # 数电普: XML 02, upload fppz 02, QR 32


class LineNature(StrEnum):
    """fphxz of the direct protocol."""

    NORMAL = "00"
    DISCOUNT = "01"  # the negative line that belongs to the line before it
    DISCOUNTED = "02"


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer. `handler` (经办人) exists for buyers only."""

    name: str
    tax_number: str | None = None
    address: str | None = None
    telephone: str | None = None
    bank: str | None = None
    account: str | None = None
    handler: str | None = None
    natural_person: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `name` is the whole `*简称*项目名称`. Either `tax_rate` or `rate_text` ("免税", "不征税", "***") is set."""

    name: str
    amount: Decimal  # without tax; negative on discount and red lines
    tax_rate: Decimal | None
    tax: Decimal | None
    tax_code: str  # 19 digits, 商品和服务税收分类合并编码
    specification: str | None = None
    unit: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None  # without tax
    amount_with_tax: Decimal | None = None
    rate_text: str | None = None
    tax_text: str | None = None  # "***" of an exempt line, "" of a not taxable one; then `tax` is None
    nature: LineNature = LineNature.NORMAL
    policy: str | None = None  # yhzcbs 01…18; 03 exempt, 04 not taxable


@dataclass(frozen=True, slots=True)
class Label:
    """A coded label of the header: `kind` is None for the inherent ones."""

    code: str | None
    name: str | None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """A part of the document that has no field of its own: kept as it was (open extension, special elements)."""

    name: str
    text: str | None = None
    children: tuple[Element, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RedReference:
    """What a red invoice corrects."""

    blue_number: str
    confirmation: str  # 红字确认单编号


@dataclass(frozen=True, slots=True)
class Invoice:
    """A complete invoice, as its XML carries it. `blue` is None where a received file does not say."""

    number: str
    kind: Kind | None
    blue: bool | None
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    amount: Decimal  # 合计金额, without tax
    tax: Decimal | None  # 合计税额
    total: Decimal  # 价税合计
    total_in_words: str
    drawer: str
    requested_at: str  # RequestTime as text: `yyyy-MM-dd HH:mm:ss` or a date
    issued_at: str  # IssueTime as text: a date since 0.31
    bureau_code: str  # TaxBureauCode, 11 digits
    bureau_name: str
    version: str = "0.35"
    tag: str = ""  # EInvoiceTag
    medium: Label | None = None  # EInvoiceType
    taxpayer_type: Label | None = None
    labels: tuple[Label, ...] = ()
    remark: str | None = None
    red: RedReference | None = None
    authentication_method: str | None = None
    supervision_number: str | None = None  # TaxSupervisionInfo/InvoiceNumber where it differs from `number`
    special: tuple[Element, ...] = ()  # children of SpecificInformation other than RedEInvoice
    additional: tuple[Element, ...] = ()  # children of AdditionalInformation other than Remark
    signature: Element | None = None  # TaxBureauSignature, kept, never verified here
    extra: tuple[tuple[str, Element], ...] = field(default=())  # (path of parent, element) of anything else
    absent: frozenset[str] = frozenset()  # optional blocks that the document did not have (paths)


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line as a caller asks for it. Prices and amounts are with tax when the draft says so; what is missing is computed."""

    name: str  # `*简称*项目` or the bare item name with `short_name`
    tax_code: str
    tax_rate: Decimal
    amount: Decimal | None = None
    tax: Decimal | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    unit: str | None = None
    specification: str | None = None
    short_name: str | None = None
    discount: Decimal | None = None  # > 0, in the draft's own terms (with or without tax): becomes a discount line
    nature: LineNature = LineNature.NORMAL  # discount lines may also be given as lines of their own
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller asks to be issued: no number, no date, no totals that count."""

    order: str
    seller_tax_number: str
    kind: Kind
    buyer: Party
    lines: tuple[DraftLine, ...]
    tax_included: bool = False
    remark: str | None = None
    drawer: str | None = None
    special: tuple[Element, ...] = ()
    expected_total: Decimal | None = None  # 价税合计 that the caller counts on: refused when ours differs


@dataclass(frozen=True, slots=True)
class Seller:
    """The seller as the platform knows it: fixed data of every invoice that it issues."""

    party: Party
    region: str  # 2 digits: the number's digits 3–4
    bureau_code: str
    bureau_name: str
    tag: str
    taxpayer_type: str = (
        "1"  # 1 general, 2 small-scale, 3 re-registered small-scale, 4 tutored general, 5 natural person
    )
    drawer: str = ""
