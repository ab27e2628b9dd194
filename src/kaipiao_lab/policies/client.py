"""A client with one of the baseline policies, as a process of its own: `python -m kaipiao_lab.policies.client …`.

Its first line on stdout is the instant at which its day begins; then it sells, and writes its book when it is done.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import sys
import time
from pathlib import Path

import uvloop

from kaipiao_lab.policies import book
from kaipiao_lab.policies.day import Day
from kaipiao_lab.policies.far_side import Document, FarSide, read_info
from kaipiao_lab.policies.rules import BASELINES, Rule, Step, pause

SOON = 0.1  # real seconds until the first sale


class Client:
    """Sells every sale of a day by one rule."""

    def __init__(self, rule: Rule, far: FarSide) -> None:
        self._rule = rule
        self._far = far
        self.book: list[book.Sold] = []

    async def work(self, orders: list[tuple[float, dict[str, object]]], begin: float) -> None:
        """Every sale at its moment, none waiting for another."""
        async with asyncio.TaskGroup() as sales:
            for moment, sale in orders:
                await self._far.rest(max(0.0, begin + moment - self._now()))
                sales.create_task(self.sell(begin + moment, sale))

    async def sell(self, sold_at: float, sale: dict[str, object]) -> None:
        """Until the client believes something for good. What is cut is left open, for a person."""
        believes: Step | None = None
        try:
            believes = await self._pursue(str(sale["seller"]), json.dumps(sale, ensure_ascii=False).encode())
        finally:
            self._note(str(sale["order"]), sold_at, believes)

    def _now(self) -> float:
        return self._far.clock.now().timestamp()

    def _note(self, order: str, sold_at: float, step: Step | None) -> None:
        issued = step is Step.ISSUED
        believes: book.Belief = "open" if step is None else "issued" if issued else "denied"
        self.book.append(book.Sold(order, sold_at, self._now() if issued else None, believes, not issued))

    async def _pursue(self, seller: str, sale: bytes) -> Step:
        """ISSUED or DENIED."""
        document, tries = self._far.document(sale), 0
        while True:
            tries += 1
            step = self._rule.after_try(await self._far.file(seller, document), tries)
            if step is Step.ASK:
                step = await self._ask(seller, document)
            elif step in (Step.SAME, Step.NEW):
                await self._far.rest(pause(tries))
            if step in (Step.ISSUED, Step.DENIED):
                return step
            if step is Step.NEW:
                document = self._far.document(sale)

    async def _ask(self, seller: str, document: Document) -> Step:
        await self._far.rest(self._rule.ask_after or 0.0)
        tries = 0
        while (held := await self._far.holds(seller, document)) is None:
            tries += 1
            await self._far.rest(pause(tries))
        return self._rule.after_ask(held)


async def run(rule: Rule, day: Day, info: Path, patience: float) -> list[book.Sold]:
    """The client's book at the end of the day, or after so many real seconds."""
    far = await FarSide.open(read_info(info), day.speed)
    try:
        orders = day.orders(far.sellers)
        begin = far.clock.now().timestamp() + SOON * far.clock.function.speed
        sys.stdout.write(json.dumps({"begin": begin}) + "\n")
        sys.stdout.flush()
        client = Client(rule, far)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await client.work(orders, begin)
        return book.complete(client.book, [(str(sale["order"]), begin + at) for at, sale in orders])
    finally:
        await far.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rule", required=True, choices=[rule.name for rule in BASELINES])
    parser.add_argument("--bureau", type=Path, required=True, help="what the sandbox printed")
    parser.add_argument("--day", required=True, help="a `Day` as JSON")
    parser.add_argument("--book", type=Path, required=True)
    options = parser.parse_args()
    rule = next(rule for rule in BASELINES if rule.name == options.rule)
    day = Day(**json.loads(options.day))
    began = time.monotonic()
    gc.disable()  # a short life, and what it makes goes by counting references
    sold = uvloop.run(run(rule, day, options.bureau, day.patience))
    book.write(options.book, sold)
    sys.stderr.write(f"{rule.name}: {len(sold)} sales in {time.monotonic() - began:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
