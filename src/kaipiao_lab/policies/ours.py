"""Our policy: the shipped platform over HTTP, one invoice per upload, and a shop with the shipped client."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from kaipiao_client import AsyncClient, ClientError
from kaipiao_lab.auditor import NEGATIVE
from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.policies.book import Belief, Sold
from kaipiao_lab.policies.bureau import START, Bureau
from kaipiao_lab.policies.day import LIMITS, Day

ASKS_FOR_PEOPLE = NEGATIVE | {"conflict"}
POLICY = {"quota_step": 10_000_000, "segment_size": 5000}  # a day's stock, as every baseline begins with
SOON = 0.1  # real seconds until the first sale


class Shop:
    """Sells a day's sales, each at its moment. `usable`: by order, when its sealed invoice was in the shop's hands."""

    def __init__(self, client: AsyncClient, bureau: Bureau) -> None:
        self._client = client
        self._bureau = bureau
        self.usable: dict[str, float] = {}
        self.refused: list[str] = []

    async def work(self, orders: list[tuple[float, dict[str, object]]], begin: float) -> None:
        async with asyncio.TaskGroup() as sales:
            for moment, sale in orders:
                await asyncio.sleep(max(0.0, begin + moment - self._bureau.now()) / self._bureau.day.speed)
                sales.create_task(self._sell(sale))

    async def _sell(self, sale: dict[str, object]) -> None:
        try:
            issued = await self._client.issue(sale)
        except ClientError as refused:
            self.refused.append(str(refused))
            return
        self.usable[issued.order] = self._bureau.now()


def sell(bench: Bench, bureau: Bureau, day: Day, seconds: float) -> list[Sold]:
    """The whole day, and until nothing is open any more or so many real seconds have passed."""
    orders = day.orders(bureau.sellers())
    begin = bureau.now() + SOON * day.speed
    selling = True
    outages = bureau.go_through(begin, lambda: selling)
    try:
        usable = asyncio.run(_sell(bench, bureau, orders, begin, seconds))
        bench.wait_settled(seconds)
    finally:
        selling = False
        outages.join()
    states = states_of(bench.directory / "platform" / "ledger.db")
    return [_sold(str(sale["order"]), begin + at, usable, states) for at, sale in orders]


async def _sell(
    bench: Bench, bureau: Bureau, orders: list[tuple[float, dict[str, object]]], begin: float, seconds: float
) -> dict[str, float]:
    async with AsyncClient(bench.url(), bench.token) as client:
        shop = Shop(client, bureau)
        async with asyncio.timeout(seconds):
            await shop.work(orders, begin)
    return shop.usable


def _sold(order: str, sold_at: float, usable: Mapping[str, float], states: Mapping[str, str]) -> Sold:
    """What the platform says in the end. An order that it does not know was refused: somebody has to look."""
    state = states.get(order, "rejected")
    if state == "confirmed":
        return Sold(order, sold_at, usable.get(order), "issued", person=False)
    believes: Belief = "denied" if state in ASKS_FOR_PEOPLE else "open"
    return Sold(order, sold_at, usable.get(order), believes, person=True)


def states_of(database: Path) -> dict[str, str]:
    """The state of every order, by a query of our own."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT client_order, state FROM invoice"))


def sizes(day: Day) -> Sizes:
    return Sizes(speed=day.speed, seed=day.seed, start=START, policy=POLICY, limits=LIMITS, own_seal=False)
