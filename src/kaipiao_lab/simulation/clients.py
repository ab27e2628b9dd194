"""Callers: they ask, ask again after an error or silence, ask twice at once, leave, cancel, and remember what they were told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any

from kaipiao.errors import (
    CannotIssue,
    Internal,
    KaipiaoError,
    NotFound,
    OrderCancelled,
    OrderConflict,
    OrderNotCancellable,
)
from kaipiao.issuing.issuer import Issued
from kaipiao.ledger.port import InvoiceRecord
from kaipiao_lab.simulation.judge import Judge
from kaipiao_lab.simulation.node import Plant
from kaipiao_lab.simulation.processes import WORLD
from kaipiao_lab.simulation.sales import draft_of, other_content
from kaipiao_lab.simulation.story import Story

PATIENCE = 3.0  # machine's seconds


class Clients:
    """`nodes`: those that can be called now; `may_give_up`: whether no answer can be had at all (no quota is left)."""

    def __init__(self, judge: Judge, story: Story, chance: random.Random, nodes: Callable[[], list[Plant]]) -> None:
        self._judge = judge
        self._story = story
        self._chance = chance
        self._nodes = nodes
        self._latest: dict[Plant, datetime] = {}
        self.last_told = False  # orders that no quota is left for may stay without an answer
        self.open: dict[str, str] = {}  # order → the last error that its caller was told

    async def serve(self, seller: str, order: str) -> None:
        """One caller's dealings with one order, until the answer is known."""
        kind = self._chance.random()
        if kind < 0.50:
            await self._insist(seller, order, self._issue)
        elif kind < 0.66:
            await self._insist(seller, order, self._accept)
        elif kind < 0.76:  # several at once, as a till and its back office may
            works = [self._issue, self._chance.choice([self._issue, self._accept])]
            await asyncio.gather(*(self._insist(seller, order, work) for work in works))
        elif kind < 0.84:  # regretted a moment after
            await self._accept(seller, order)
            await asyncio.sleep(self._chance.choice([0.0, 0.0, 0.3]) * self._chance.random())
            await asyncio.gather(self._insist(seller, order, self._cancel), self._maybe(seller, order))
        elif kind < 0.92:  # somebody uses the key again
            await asyncio.gather(
                self._insist(seller, order, self._issue), self._insist(seller, order, self._issue_other)
            )
        else:  # asks again for what it has long had
            await self._insist(seller, order, self._issue)
            await asyncio.sleep(self._chance.random() * 20)
            await self._insist(seller, order, self._issue)

    async def _maybe(self, seller: str, order: str) -> None:
        """Somebody who asks once for it, in between."""
        work = self._chance.choice([self._issue, self._accept, self._cancel])
        await work(seller, order)

    async def _insist(self, seller: str, order: str, work: Callable[[str, str], Awaitable[bool]]) -> None:
        tries = 0
        while not await work(seller, order):
            tries += 1
            if self.last_told and tries > 5:
                return
            await asyncio.sleep(self._chance.uniform(0.2, min(4.0, 0.5 * 2.0**tries)))
        self.open.pop(order, None)

    async def _issue(self, seller: str, order: str) -> bool:
        return await self._buy(seller, order, other=False)

    async def _issue_other(self, seller: str, order: str) -> bool:
        return await self._buy(seller, order, other=True)

    async def _buy(self, seller: str, order: str, *, other: bool) -> bool:
        self._judge.contents[order].add(other)
        draft = other_content(seller, order) if other else draft_of(seller, order)
        plant = self._any_node()
        if plant is None:
            return False
        latest, jumps = self._latest.get(plant), self._judge.jumps
        issued = await self._call(plant, plant.issuer.issue(draft))
        if isinstance(issued, Issued):
            self._judge.was_told(order, issued.record, other=other)
            if not issued.replayed:
                now = plant.clock.now() if jumps == self._judge.jumps else None
                self._judge.was_made(issued.record, latest, now)
                self._latest[plant] = max(issued.record.made_at, self._latest.get(plant, issued.record.made_at))
            return True
        return self._is_an_answer(order, issued)

    async def _accept(self, seller: str, order: str) -> bool:
        self._judge.contents[order].add(False)
        plant = self._any_node()
        if plant is None:
            return False
        record = await self._call(plant, plant.issuer.accept(draft_of(seller, order)))
        if isinstance(record, InvoiceRecord):
            self._judge.was_accepted(order, record, other=False)
            return True
        return self._is_an_answer(order, record)

    async def _cancel(self, seller: str, order: str) -> bool:
        self._judge.cancels.add(order)
        plant = self._any_node()
        if plant is None:
            return False
        record = await self._call(plant, plant.issuer.cancel(seller, order))
        if isinstance(record, InvoiceRecord):
            self._judge.was_cancelled(order)
            return True
        return isinstance(record, OrderNotCancellable | NotFound) or self._is_an_answer(order, record)

    def _any_node(self) -> Plant | None:
        nodes = self._nodes()
        return self._chance.choice(nodes) if nodes else None

    async def _call(self, plant: Plant, work: Coroutine[Any, Any, Any]) -> Any:
        """The result or the `KaipiaoError`; None when no answer came. A caller may leave before."""
        task = plant.process.spawn(work)
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task.add_done_callback(lambda _: None if over.done() else over.set_result(None), context=WORLD)
        leaves = self._chance.random() < 0.04
        await asyncio.wait({over}, timeout=self._chance.random() * 0.05 if leaves else PATIENCE)
        if not task.done():
            if leaves and plant.process.alive and not plant.process.paused:
                task.cancel()
            return None
        if task.cancelled():
            if not leaves and not plant.issuer.stopping:
                self._judge.breaks("a caller that leaves cuts nobody else", plant.process.name)
            return None
        return task.exception() or task.result()

    def _is_an_answer(self, order: str, error: Any) -> bool:
        """Whether asking again would be told the same."""
        if isinstance(error, OrderConflict):
            self._judge.was_refused_as_other(order)
            return True
        if isinstance(error, OrderCancelled):
            self._judge.was_called_cancelled(order)
            return True
        if isinstance(error, Internal) or (error is not None and not isinstance(error, KaipiaoError)):
            self._judge.breaks("no caller meets a defect of ours", f"{order}: {error!r}", order)
        if isinstance(error, CannotIssue):
            self._story.counts[error.code] += 1
        self.open[order] = getattr(error, "code", None) or "no answer"
        return False
