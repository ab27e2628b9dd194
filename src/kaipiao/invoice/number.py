"""The 20-digit number of a 数电票: year(2) region(2) channel(1) sequence(15). Business rule 4.1."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaipiao.errors import Malformed, TooLarge
from kaipiao.language import Text

LENGTH = 20
_FORM = re.compile(r"[0-9]{20}")
_SEQUENCES = 10**15
_LARGEST_RANGE = 100_000  # a pull gives at most 5,000: more in one answer is a defect or an attack


@dataclass(frozen=True, slots=True)
class InvoiceNumber:
    """`year` four digits, `region` two digits (a province, or one of the five cities with their own plan), `channel`
    2 = platform, 7 = own platform (乐企), 9 = rail; `sequence` 0 … 10^15 − 1."""

    year: int
    region: str
    channel: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.year % 100:02d}{self.region}{self.channel}{self.sequence:015d}"


def is_number(text: str) -> bool:
    """Twenty ASCII digits. Whether region and year exist is a question for the rules."""
    return _FORM.fullmatch(text) is not None


def parse(text: str) -> InvoiceNumber:
    """Raises `Malformed`. The century is the 21st: the first 数电票 was made in 2021."""
    if not is_number(text):
        raise Malformed(Text("发票号码应为20位数字", "An invoice number has 20 digits"))
    return InvoiceNumber(2000 + int(text[:2]), text[2:4], text[4], int(text[5:]))


def compose(year: int, region: str, channel: str, sequence: int) -> str:
    """Raises `Malformed` when a part does not fit its place."""
    fits = 2000 <= year <= 2099 and 0 <= sequence < _SEQUENCES
    text = str(InvoiceNumber(year, region, channel, sequence)) if fits else ""
    if len(region) != 2 or len(channel) != 1 or not is_number(text):
        raise Malformed(Text("号码的某一部分不符合结构", "A part of the number does not fit its place"))
    return text


def number_range(first: str, last: str) -> list[str]:
    """All numbers from `first` to `last`, both included, ascending.

    Raises `Malformed` when they are not of one year, region and channel or run backwards, `TooLarge` beyond 100,000.
    """
    low, high = parse(first), parse(last)
    if first[:5] != last[:5] or low.sequence > high.sequence:
        raise Malformed(Text("号段的起止号码不一致", "First and last number are not one segment"))
    if high.sequence - low.sequence >= _LARGEST_RANGE:
        raise TooLarge(Text("号段超过10万个号码", "The segment has more than 100,000 numbers"))
    prefix = first[:5]
    return [f"{prefix}{sequence:015d}" for sequence in range(low.sequence, high.sequence + 1)]
