"""Invoice numbers as ranges. A number is 20 digits, more than 63 bits: text in every store, a Python int in between."""

from __future__ import annotations

from kaipiao.errors import BooksContradicted, Internal
from kaipiao.language import Text
from kaipiao.ledger.changes import defect, is_number
from kaipiao.ledger.port import SegmentRequest


def number_text(number: int) -> str:
    """The 20 digits of a number; texts of equal length sort as the numbers do."""
    return f"{number:020d}"


def number_range(first: str, last: str) -> tuple[int, int]:
    """(first number, how many) of a range that a bureau gave. Raises `BooksContradicted` when it is none."""
    for number in (first, last):
        if not is_number(number):
            raise contradiction("号段不是20位数字", "A segment is not of 20-digit numbers")
    size = int(last) - int(first) + 1
    if size < 1:
        raise contradiction("号段终止号小于起始号", "A segment ends before it begins", first=first, last=last)
    return int(first), size


def check_request(request: SegmentRequest) -> None:
    if request.quantity < 1:
        raise defect("领号数量须为正", "A pull of numbers must ask for at least one")


def contradiction(zh: str, en: str, **facts: object) -> BooksContradicted:
    return BooksContradicted(Text(zh, en), code=None, **facts)


def overlap(serial: str, other: str) -> BooksContradicted:
    return contradiction(
        "号段与已领号段重叠", "The segment overlaps one that was pulled before", serial=serial, other=other
    )


def number_taken(number: str) -> BooksContradicted:
    return contradiction(
        "该号码已属于另一张发票或本地号段",
        "The number belongs to another invoice or to our own segments",
        number=number,
    )


def unasked(serial: str) -> Internal:
    return defect("没有此流水号的请求", "There is no request of this serial", serial=serial)
