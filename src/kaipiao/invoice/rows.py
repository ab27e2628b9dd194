"""The shapes of the dated data of this room: one class for each kind of row (`tables.py` reads them)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import ConfigDict

from kaipiao.invoice.model import Kind


class Row:
    """A row has exactly its named fields: an unknown one in a data file is a mistake, not an extension."""

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class RateRow(Row):
    """A rate, from when until when (both days included), for which taxpayer types, marks and codes (prefixes)."""

    rate: Decimal
    family: Literal["rate", "levy", "none"]
    valid_from: date
    taxpayers: frozenset[str]
    source: str
    valid_until: date | None = None
    policies: frozenset[str] = frozenset()  # empty: any
    only_codes: tuple[str, ...] = ()
    not_codes: tuple[str, ...] = ()

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def fits_code(self, tax_code: str) -> bool:
        return (not self.only_codes or tax_code.startswith(self.only_codes)) and not tax_code.startswith(
            self.not_codes or ("-",)
        )


@dataclass(frozen=True)
class Beside(Row):
    """An exception from "no mixing": lines of these codes may stand beside each other."""

    code: str
    other: str
    source: str


@dataclass(frozen=True)
class Policy(Row):
    """优惠政策标识. `prints_*`: what stands in place of rate and tax. `levy`: it says why a levy rate is used.
    `needed_for`: codes (prefixes) that are issued with this mark only. `settled` is false where no source says how to
    compute with it."""

    code: str
    name: str
    rates: frozenset[Decimal] = frozenset()  # empty: any
    prints_rate: str | None = None
    prints_tax: str | None = None
    levy: bool = False
    needed_for: tuple[str, ...] = ()
    settled: bool = True
    mixes: bool = True
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True)
class KindRow(Row):
    """The codes of a kind: `label` in XML, `upload` fppz, `query` fplx, `qr` in the QR text."""

    id: Kind
    name: str
    label: str
    upload: str
    query: str
    qr: str


@dataclass(frozen=True)
class Bureau(Row):
    """`tag` = EInvoiceTag, `code` = TaxBureauCode (11 digits), `name` = TaxBureauName."""

    region: str
    tag: str
    code: str
    name: str


@dataclass(frozen=True)
class Lengths(Row):
    """In characters."""

    order: int
    name: int
    tax_number: int
    address: int
    telephone: int
    bank: int
    account: int
    handler: int
    item: int
    short_name: int
    specification: int
    unit: int
    quantity: int
    remark: int
    drawer: int
    short_buyer: int


@dataclass(frozen=True)
class PriceLimits(Row):
    """`characters` counts the point and a sign; `integers` and `decimals` are digits before and after the point."""

    characters: int
    integers: int
    decimals: int


@dataclass(frozen=True)
class Counts(Row):
    lines: int
    money_digits: int
    rate_decimals: int


@dataclass(frozen=True)
class Tolerances(Row):
    """CNY; a difference equal to the tolerance is still accepted."""

    line_amount: Decimal
    sum_amount: Decimal
    line_tax: Decimal
    sum_tax: Decimal


@dataclass(frozen=True)
class Limits(Row):
    as_of: date
    lengths: Lengths
    price: PriceLimits
    counts: Counts
    tolerances: Tolerances
