"""What the platform asks of the services that it leans on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from kaipiao.operations.dependencies.marked import Failed, Marked


@dataclass(frozen=True, slots=True)
class Payment:
    """`amount`: CNY. `paid_at`: None while it is not paid."""

    reference: str
    amount: Decimal
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class Company:
    """`active`: it is registered and not struck off."""

    tax_number: str
    name: str
    active: bool


class Payments(Protocol):
    """Was a sale paid? By default nothing stale: a payment may have been taken back."""

    async def payment(self, reference: str) -> Marked[Payment] | Failed: ...


class Registry(Protocol):
    """The register of companies. By default a week old is good enough to fill in a buyer's name."""

    async def company(self, tax_number: str) -> Marked[Company] | Failed: ...
