"""What a client believes of its sales: one JSON object a line, one line a sale, as its auditor reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Belief = Literal["issued", "denied", "open"]


@dataclass(frozen=True, slots=True)
class Sold:
    """`sold_at`, `usable_at`: seconds since 1970 of the bureau's clock; no `usable_at`: the customer never got a document.
    `believes`: is it filed? "open": the client does not know. `person`: it is left for somebody to look at."""

    order: str
    sold_at: float
    usable_at: float | None
    believes: Belief
    person: bool


def complete(sold: list[Sold], sales: list[tuple[str, float]]) -> list[Sold]:
    """With those of the sales (order, sold_at) that were not begun when time was up: open, and a person's."""
    noted = {each.order for each in sold}
    return sold + [Sold(order, at, None, "open", person=True) for order, at in sales if order not in noted]


def write(path: Path, sold: list[Sold]) -> None:
    lines = [json.dumps(asdict(each)) + "\n" for each in sold]
    path.write_text("".join(lines), encoding="utf-8")


def read(path: Path) -> Iterator[Sold]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield Sold(**json.loads(line))
