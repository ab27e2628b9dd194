"""One day of sales with its faults and outages, drawn from a seed: the same for every policy. Seconds are the bureau's."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from kaipiao_lab.sales import Sales

HOURS = 3600.0
QUESTIONS = ["QDFPSC", "CXQDFPSCJG", "FPCY_NEW", "FPZTXXCX"]
# What every policy's channel is told. The first question for a result comes when there is one: who asks in vain costs time.
LIMITS = {"upload_batch": 1, "first_poll": 60.0}


@dataclass(frozen=True, slots=True)
class Day:
    """`speed`: of the bureau's clock. `patience`: real seconds for the whole run of a policy, setting up included."""

    seed: int
    sales: int
    speed: float
    patience: float
    seconds: float = 8 * HOURS
    outage: float = 1200.0
    outages: int = 3

    def outage_begins(self) -> list[float]:
        """Seconds after the beginning of the day; none overlaps another."""
        chance = random.Random(f"outages:{self.seed}")  # noqa: S311 — repeatable, no secret
        share = self.seconds / self.outages
        return [place * share + chance.uniform(0.1, 0.9) * (share - self.outage) for place in range(self.outages)]

    def orders(self, sellers: Sequence[str]) -> list[tuple[float, dict[str, object]]]:
        """(seconds after the beginning, sale), in the order of time. The sellers take turns."""
        chance = random.Random(f"sales:{self.seed}")  # noqa: S311 — repeatable, no secret
        moments = sorted(chance.uniform(0.0, self.seconds) for _ in range(self.sales))
        tills = [Sales(seller, self.seed * 100 + at, f"P{self.seed}-{at}") for at, seller in enumerate(sellers)]
        return [(moment, tills[place % len(tills)].next()) for place, moment in enumerate(moments)]

    def faults(self, part: int, *, out: bool) -> list[dict[str, object]]:
        """Of one part of the day (an outage begins the next): 1 % of the uploads lost, 1 % of their answers, 1 % committed
        200–300 s late without an answer (the last third of what the bureau may take: a clock this fast makes 100 s of the
        little time between two calls, and who asks must find it absent as it would in life); 2 % of uploads, results and questions answered 503. `out`: an outage begins."""
        upload = {"services": ["QDFPSC"]}
        kinds: list[dict[str, object]] = [
            {"kind": "lose", "probability": 0.01, **upload},
            {"kind": "drop_answer", "probability": 0.01, **upload},
            {"kind": "late", "probability": 0.01, "seconds": [200, 300], **upload},
            {"kind": "http_error", "probability": 0.02, "status": 503, "services": QUESTIONS},
        ]
        drawn = [{**kind, "seed": (self.seed * 10 + part) * 10 + at} for at, kind in enumerate(kinds)]
        outage: list[dict[str, object]] = [{"kind": "refuse", "seconds": [self.outage, self.outage]}]
        return drawn + (outage if out else [])


QUICK = Day(seed=1, sales=2000, speed=450.0, patience=150.0, seconds=4 * HOURS, outage=1500.0, outages=2)
FULL = Day(seed=1, sales=20_000, speed=60.0, patience=1500.0)
