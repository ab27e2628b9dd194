"""What the bureau reads from an invoice that it is sent. It knows the platform's bytes only as a stranger would."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Copy:
    """One invoice as it was sent. `order`: the sale that it is for, which the sellers here write into the remark."""

    taxpayer: str
    number: str
    order: str
    amount: Decimal  # of the month's quota
    made_at: datetime
    digest: bytes


def digest_of(invoice: bytes) -> bytes:
    return hashlib.blake2b(invoice, digest_size=32).digest()


def copy_of(taxpayer: str, number: str, made_at: datetime, invoice: bytes) -> Copy:
    face = json.loads(invoice)
    amount = max(Decimal(0), Decimal(face["amount"]))
    return Copy(taxpayer, number, face["remark"].removeprefix("order:"), amount, made_at, digest_of(invoice))
