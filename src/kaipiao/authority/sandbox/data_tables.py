"""The sandbox's own tables: limits, rates, codes, companies and request fields, each a data file with date and source."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from kaipiao.authority.sandbox.settings import VirtualTaxpayer


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    date: date
    source: str = Field(min_length=1)


class Limits(_Table):
    """Counts, seconds (of the sandbox's clock unless they concern the wire), CNY tolerances, bytes."""

    batch: int
    lines: int
    segment: int
    upload_window_seconds: float
    result_window_seconds: float
    first_poll_seconds: float
    future_seconds: float
    filing_day: int
    list_requests_a_day: int
    list_requests_this_month: int
    list_requests_past_month: int
    list_packet: int
    list_seconds: float
    quota_query_seconds: float
    line_price_tolerance: Decimal
    amount_sum_tolerance: Decimal
    line_tax_tolerance: Decimal
    tax_sum_tolerance: Decimal
    total_tolerance: Decimal
    head_bytes: int
    body_bytes: int
    seal_xml_bytes: int
    head_seconds: float
    body_seconds: float
    idle_seconds: float
    handshake_seconds: float
    answer_seconds: float


class Rate(BaseModel):
    """`nature` 1 rate, 2 levy rate; `rate` a fraction; both days belong to the period."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: Decimal = Field(ge=0, lt=1)
    nature: Literal["1", "2"]
    since: date = Field(alias="from")
    until: date | None

    def holds(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day <= self.until)


class _Rates(_Table):
    rates: tuple[Rate, ...]


class TaxCode(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern=r"^\d{19}$")
    parent: str = Field(pattern=r"^\d{19}$")
    name: str
    short_name: str
    rates: tuple[Decimal, ...]
    levies: tuple[Decimal, ...]

    def allows(self, rate: Decimal) -> bool:
        return rate == 0 or rate in self.rates or rate in self.levies


class TaxCodes(_Table):
    codes: tuple[TaxCode, ...]


class _Taxpayers(_Table):
    taxpayers: tuple[VirtualTaxpayer, ...]


class FieldRule(BaseModel):
    """One row of the field table. `length`: characters of a text, (digits, decimals) of a number."""

    model_config = ConfigDict(frozen=True)

    service: str
    part: Literal["head", "line", "extra", "voucher", "payment", "call"]
    field: str
    type: Literal["text", "number", "time"]
    length: tuple[int, int]
    required: Literal["yes", "no", "soft"]


def _text(name: str) -> str:
    return (files(__package__) / "data" / name).read_text(encoding="utf-8")


@cache
def limits() -> Limits:
    return Limits.model_validate_json(_text("limits.json"))


@cache
def rates() -> tuple[Rate, ...]:
    return _Rates.model_validate_json(_text("rates.json")).rates


@cache
def tax_codes() -> TaxCodes:
    return TaxCodes.model_validate_json(_text("tax_codes.json"))


@cache
def tax_codes_by_code() -> dict[str, TaxCode]:
    return {entry.code: entry for entry in tax_codes().codes}


@cache
def shipped_taxpayers() -> tuple[VirtualTaxpayer, ...]:
    return _Taxpayers.model_validate_json(_text("taxpayers.json")).taxpayers


@cache
def field_rules() -> dict[tuple[str, str], tuple[FieldRule, ...]]:
    """The rules by (service, part), in the order of the table."""
    lines = [line.split("\t") for line in _text("base_fields.tsv").splitlines() if line and line[0] != "#"]
    rows = TypeAdapter(tuple[FieldRule, ...]).validate_python(
        [dict(zip(lines[0], cells, strict=True)) | {"length": _length(cells[4])} for cells in lines[1:]]
    )
    grouped: dict[tuple[str, str], tuple[FieldRule, ...]] = {}
    for row in rows:
        grouped[row.service, row.part] = (*grouped.get((row.service, row.part), ()), row)
    return grouped


def _length(text: str) -> tuple[int, int]:
    whole, _, decimals = (text or "19").partition(",")
    return int(whole), int(decimals or 0)
