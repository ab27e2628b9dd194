"""The month's summary: CXFPHZQRXX asks, SCFPHZQRXX confirms and cancels. The fields of the answer are the sandbox's [own]."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from kaipiao.authority.channel import MonthState, MonthSummary, MonthTotals
from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.reading import Data
from kaipiao.authority.leqi.settings import LeqiSettings

_CONFIRM, _CANCEL = "0", "1"
_STATES = {"0": MonthState.OPEN, "1": MonthState.CONFIRMED, "2": MonthState.CLOSED}
_MOST = 10**9  # invoices of a month


def question(settings: LeqiSettings, taxpayer: str, month: str) -> Mapping[str, object]:
    return _head(settings, taxpayer, month, _CONFIRM)


def confirmation(settings: LeqiSettings, taxpayer: str, month: str, totals: MonthTotals) -> Mapping[str, object]:
    return {
        **_head(settings, taxpayer, month, _CONFIRM),
        "lzfpsl": totals.blue_count,
        "lzfpje": f"{totals.blue_amount:.2f}",
        "lzfpse": f"{totals.blue_tax:.2f}",
        "hzfpsl": totals.red_count,
        "hzfpje": f"{totals.red_amount:.2f}",
        "hzfpse": f"{totals.red_tax:.2f}",
    }


def cancellation(settings: LeqiSettings, taxpayer: str, month: str) -> Mapping[str, object]:
    return _head(settings, taxpayer, month, _CANCEL)


def _head(settings: LeqiSettings, taxpayer: str, month: str, way: str) -> Mapping[str, object]:
    bureau = settings.bureaus.get(taxpayer, "")
    unit = {"xsfnsrsbh": taxpayer, "xsfsjswjgdm": bureau, "ptbh": settings.jrdwptbh}
    return {**unit, "ywlx": way, "yf": month}


def summary(data: Data, month: str) -> MonthSummary | None:
    """None unless it is of this month, its state is known and every figure can be read."""
    state = _STATES.get(reading.code(data.get("qrzt")))
    totals = _totals(data)
    if state is None or totals is None or reading.text(data.get("yf")) != month:
        return None
    return MonthSummary(month, state, totals, reading.instant(data.get("qrsj")))


def _totals(data: Data) -> MonthTotals | None:
    counts = [_count(data.get(name)) for name in ("lzfpsl", "hzfpsl")]
    sums = [reading.number(data.get(name)) for name in ("lzfpje", "lzfpse", "hzfpje", "hzfpse")]
    blue, red = counts
    blue_amount, blue_tax, red_amount, red_tax = sums
    if blue is None or red is None or blue_amount is None or blue_tax is None or red_amount is None or red_tax is None:
        return None
    return MonthTotals(blue, blue_amount, blue_tax, red, red_amount, red_tax)


def _count(value: object) -> int | None:
    found: Decimal | None = reading.number(value)
    return int(found) if found is not None and 0 <= found <= _MOST and found == int(found) else None
