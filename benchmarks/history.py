"""A long past for a ledger: invoices that were issued, uploaded and confirmed, one after the other each 40 ms.

Everything that an issued invoice leaves behind is there, with random order keys, and the books add up. What is left out:
the hashes of its events are not chained, there is one event for each instead of four, and the texts of a document are
short (it is found by its key only). The SQL of both databases is made from the same words; `n` counts the invoices from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

BLOCK = 200  # numbers of a block, and invoices of an upload
SEGMENT = 5000  # numbers of an answer of the bureau
SLICE = 100_000  # invoices of a transaction; a multiple of both
CENTS = 10_000  # without tax; so much of the quota each takes
STEP = 40_000  # microseconds; five millions are over before the sales of the stand begin
BEGIN = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() - 8 * 3600) * 1_000_000  # in Asia/Shanghai
_IDS_BEGIN = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * 1000  # `ledger.ids`

AT = f"({BEGIN} + n * {STEP})"
ID = f"((({AT} / 1000 - {_IDS_BEGIN}) << 22) | (n * 2654435761 % 4194304))"
POSITION = f"(((n / {BLOCK}) << 22) + n % {BLOCK})"


@dataclass(frozen=True, slots=True)
class Past:
    """Whose invoices, and which: from `first` (inclusive) until `end` (exclusive), multiples of `SLICE`."""

    taxpayer: str
    channel: str
    first: int
    end: int

    def __post_init__(self) -> None:
        if self.first % SLICE or self.end % SLICE or not (self.taxpayer + self.channel).isalnum():
            raise ValueError("a past is made in whole slices, for plain names")

    def slices(self) -> range:
        return range(self.first, self.end, SLICE)
