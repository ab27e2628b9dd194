"""Numbers: QDFPPLFM, idempotent by its serial."""

from __future__ import annotations

import re

from kaipiao.authority.channel import Segment
from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.reading import Data

_NUMBER = re.compile(r"[0-9]{20}", re.ASCII)


def request(taxpayer: str, quantity: int, serial: str) -> Data:
    return {"nsrsbh": taxpayer, "lysl": quantity, "ywlsh": serial}


def segment(data: Data, quantity: int) -> Segment | None:
    """The segment; None unless its two ends and its quantity are what was asked for and agree with each other."""
    first, last = data.get("fpqshm"), data.get("fpzzhm")
    if not (isinstance(first, str) and isinstance(last, str) and _NUMBER.fullmatch(first) and _NUMBER.fullmatch(last)):
        return None
    said = reading.number(data.get("lysl", quantity))
    if first[:5] != last[:5] or int(last) - int(first) + 1 != quantity or said != quantity:
        return None
    return Segment(first, last, quantity)
