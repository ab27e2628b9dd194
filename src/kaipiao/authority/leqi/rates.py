"""Rates in force: CXKYSL. Field names from a published client [R]; the name of the list is the sandbox's [own]."""

from __future__ import annotations

from decimal import Decimal

from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.reading import Data

_STOPPED = "1"  # cszt: 0 in use, 1 stopped


def rates(data: Data) -> list[Decimal]:
    """Rates and levy rates in use, as fractions, lowest first; entries that cannot be read are left out."""
    lists = [reading.as_list(value) for value in data.values()]
    entries = [reading.as_object(entry) for found in lists for entry in found] or [data]
    in_use = [entry for entry in entries if reading.text(entry.get("cszt")) != _STOPPED]
    found = {reading.number(entry.get("slzsl")) for entry in in_use}
    return sorted(rate for rate in found if rate is not None and 0 <= rate < 1)
