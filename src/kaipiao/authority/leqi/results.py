"""Results of an upload: CXQDFPSCJG."""

from __future__ import annotations

import re

from kaipiao.authority.channel import ItemResult, ItemStatus
from kaipiao.authority.leqi import reading
from kaipiao.authority.leqi.reading import Data

_NUMBER = re.compile(r"[0-9]{20}", re.ASCII)


def results(data: Data) -> list[ItemResult]:
    """One result for each number that is named once with a known status. What cannot be read, or is told in two ways,
    is left out: the caller asks again."""
    found: dict[str, ItemResult | None] = {}
    for entry in reading.as_list(data.get("resultList")):
        result = _result(reading.as_object(entry))
        if result is None:
            continue
        known = found.setdefault(result.number, result)
        if known is not None and known.status is not result.status:
            found[result.number] = None
    return [result for result in found.values() if result is not None]


def _result(entry: Data) -> ItemResult | None:
    number, status = reading.text(entry.get("fphm")), reading.code(entry.get("status"))
    if not _NUMBER.fullmatch(number) or status not in set(ItemStatus):
        return None
    code, message = reading.code(entry.get("Code", entry.get("code"))), reading.text(entry.get("message"))
    return ItemResult(number, ItemStatus(status), code or None, message or None)
