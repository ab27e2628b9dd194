"""Quota: CXSXED asks, XZTHSXED downloads and returns, idempotent by its serial."""

from __future__ import annotations

import re
from decimal import Decimal

from kaipiao.authority.channel import QuotaGrant, QuotaStanding
from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.reading import Data

_MONTH = re.compile(r"(20[0-9]{2})-?(0[1-9]|1[0-2])", re.ASCII)


def move(taxpayer: str, platform: str, amount: Decimal, serial: str, *, returning: bool) -> Data:
    return {
        "nsrsbh": taxpayer,
        "ptbh": platform,
        "sqlx": "1" if returning else "0",
        "sqed": f"{amount:.2f}",
        "ywlsh": serial,
    }


def standing(data: Data) -> QuotaStanding | None:
    """None unless total, usable and month can be read."""
    total, usable = reading.number(data.get("bysxed")), reading.number(data.get("kysyed"))
    month = _MONTH.fullmatch(reading.text(data.get("sq")))
    if total is None or usable is None or month is None:
        return None
    return QuotaStanding(
        total=total,
        usable=usable,
        paused=reading.text(data.get("ztsxbz")) == "Y",
        month=f"{month[1]}-{month[2]}",
        valid_from=reading.instant(data.get("syqjq")),
        valid_until=reading.instant(data.get("syqjz")),
    )


def grant(data: Data, asked: Decimal) -> QuotaGrant | None:
    """None unless amount and validity can be read, and no more was moved than asked for."""
    amount = reading.number(data.get("sqed"))
    begin, end = reading.instant(data.get("syqjq")), reading.instant(data.get("syqjz"))
    if amount is None or begin is None or end is None or not 0 < amount <= asked or begin >= end:
        return None
    return QuotaGrant(amount, begin, end)
