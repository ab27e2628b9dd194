"""Numbers in memory: this node's block per taxpayer, channel and year. A number is taken from memory, never from the network.

Whatever this node believes, the ledger takes a number once and an order once, and only while the block's epoch holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from kaipiao.errors import NumbersExhausted
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.port import Block, Ledger

log = logging.getLogger(__name__)

Key = tuple[str, str, int]  # taxpayer, channel, year


@dataclass(frozen=True, slots=True)
class Taken:
    """A number in hand: it is bound to one order from now on, until the ledger says what became of the pair."""

    number: str
    block: int
    epoch: int


@dataclass(slots=True)
class _Shelf:
    numbers: deque[Taken] = field(default_factory=deque)
    refill: asyncio.Task[bool] | None = None  # one for all who wait; nobody's going away cuts it


class NumberDesk:
    """Takes numbers from memory and leases the next block before the last one is empty."""

    def __init__(self, ledger: Ledger, node: str, policy: Policy, on_short: Callable[[Key], None]) -> None:
        self._ledger = ledger
        self._node = node
        self._policy = policy
        self._on_short = on_short
        self._shelves: dict[Key, _Shelf] = {}
        self._epochs: dict[tuple[str, int], int] = {}

    async def take(self, taxpayer: str, channel: str, year: int) -> Taken:
        """The next number. Raises `NumbersExhausted` when neither memory nor ledger has one."""
        key = (taxpayer, channel, year)
        shelf = self._shelves.setdefault(key, _Shelf())
        while not shelf.numbers:
            if not await asyncio.shield(self._refill(key, shelf)):
                raise NumbersExhausted(taxpayer=taxpayer, channel=channel)
        taken = shelf.numbers.popleft()
        if len(shelf.numbers) < self._policy.block_low:
            self._refill(key, shelf)
        return taken

    def give_back(self, taxpayer: str, channel: str, year: int, taken: Taken) -> None:
        """The ledger refused the pair for good: the number is free again in this node's memory."""
        if self._epochs.get((taxpayer, taken.block)) == taken.epoch:
            self._shelves.setdefault((taxpayer, channel, year), _Shelf()).numbers.appendleft(taken)

    def drop(self, taxpayer: str, block: int, epoch: int) -> None:
        """This epoch of the block is over. It may be ours again by now, under a later one: that one stays."""
        if self._epochs.get((taxpayer, block)) == epoch:
            del self._epochs[(taxpayer, block)]
        for (owner, _, _), shelf in self._shelves.items():
            if owner == taxpayer:
                shelf.numbers = deque(t for t in shelf.numbers if (t.block, t.epoch) != (block, epoch))

    def left(self, taxpayer: str, channel: str, year: int) -> int:
        """How many numbers are in memory."""
        shelf = self._shelves.get((taxpayer, channel, year))
        return len(shelf.numbers) if shelf else 0

    async def renew(self) -> None:
        """Prolong the leases; blocks that were lost meanwhile are dropped."""
        mine = dict(self._epochs)
        if not mine:
            return
        held = await self._ledger.renew_blocks(self._node, mine, self._policy.lease_seconds)
        for lost in mine.keys() - held:
            self.drop(*lost, mine[lost])

    async def close(self) -> None:
        """Stop leasing and give the blocks up."""
        for shelf in self._shelves.values():
            if shelf.refill is not None:
                shelf.refill.cancel()
                await asyncio.gather(shelf.refill, return_exceptions=True)
        self._shelves.clear()
        self._epochs.clear()
        await self._ledger.release_blocks(self._node)

    def _refill(self, key: Key, shelf: _Shelf) -> asyncio.Task[bool]:
        """The lease that is under way, or a new one: are there numbers?"""
        if shelf.refill is None or shelf.refill.done():
            shelf.refill = asyncio.create_task(self._lease(key, shelf))
            shelf.refill.add_done_callback(_tell)
        return shelf.refill

    async def _lease(self, key: Key, shelf: _Shelf) -> bool:
        size, seconds = self._policy.block_size, self._policy.lease_seconds
        block = await self._ledger.lease_block(*key, self._node, size, seconds)
        if block is None or not block.numbers:
            self._on_short(key)
            return False
        self._put(block, shelf)
        return True

    def _put(self, block: Block, shelf: _Shelf) -> None:
        before = self._epochs.get((block.taxpayer, block.id))
        if (
            before is not None
        ):  # our lease was over, and it is ours again: what is left of the earlier one would be fenced
            self.drop(block.taxpayer, block.id, before)
        self._epochs[(block.taxpayer, block.id)] = block.epoch
        shelf.numbers.extend(Taken(number, block.id, block.epoch) for number in block.numbers)


def _tell(refill: asyncio.Task[bool]) -> None:
    """Nobody may be waiting for it: a failure is told here too."""
    error = None if refill.cancelled() else refill.exception()
    if error is not None:
        log.warning("no block leased", exc_info=error, extra={"code": getattr(error, "code", None)})
