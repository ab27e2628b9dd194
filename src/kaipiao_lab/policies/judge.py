"""Reads what the bureau holds and what a client believes, and counts. Imports nothing of the platform."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from kaipiao_lab.auditor import Entry
from kaipiao_lab.policies.book import Sold
from kaipiao_lab.shop import percentile


@dataclass(frozen=True, slots=True)
class Figures:
    """doubled: sales that the bureau holds under more than one number. held_but_denied: it holds the sale, the client says
    no. not_issued: it does not hold the sale. human: sales that the client leaves to a person when the run ends: refused,
    given up, in conflict, or with an outcome that it still does not know. p99_s: seconds of the bureau's clock from the sale
    to the customer's document; a sale that never got one waited until the end of the run."""

    doubled: int
    held_but_denied: int
    not_issued: int
    human: int
    p99_s: float

    def clean(self) -> bool:
        return not (self.doubled or self.held_but_denied or self.not_issued or self.human)

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def judge(client: Iterable[Sold], bureau: Iterable[Entry], ended_at: float) -> Figures:
    """Raises ValueError for a book of the client that has a sale twice, or none."""
    sold = list(client)
    if not sold or len({each.order for each in sold}) < len(sold):
        raise ValueError("the client's book must have every sale once")
    held: dict[str, set[str]] = defaultdict(set)
    for entry in bureau:
        held[entry.order].add(entry.number)
    return Figures(
        doubled=sum(len(held[each.order]) > 1 for each in sold),
        held_but_denied=sum(bool(held[each.order]) and each.believes == "denied" for each in sold),
        not_issued=sum(not held[each.order] for each in sold),
        human=sum(each.person for each in sold),
        p99_s=round(percentile([_waited(each, ended_at) for each in sold], 0.99), 1),
    )


def _waited(each: Sold, ended_at: float) -> float:
    return max(0.0, (each.usable_at or ended_at) - each.sold_at)
