"""What a sale looks like to the conventional stack: pydantic models of the same body, and of the answer."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Buyer(BaseModel):
    name: str = Field(min_length=1, max_length=1000)
    tax_number: str | None = None


class SaleLine(BaseModel):
    name: str = Field(min_length=1, max_length=1000)
    short_name: str
    tax_code: str
    tax_rate: str
    unit: str | None = None
    quantity: str | None = None
    unit_price: str | None = None


class Sale(BaseModel):
    order: str = Field(min_length=1, max_length=128)
    seller: str
    kind: str
    buyer: Buyer
    tax_included: bool = False
    lines: list[SaleLine] = Field(min_length=1, max_length=5000)
    remark: str | None = None


class Made(BaseModel):
    order: str
    number: str
    amount: str
    tax: str
    total: str
    seal: str
