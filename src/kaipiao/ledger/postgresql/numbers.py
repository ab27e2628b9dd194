"""Numbers in PostgreSQL: segments, blocks, epochs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from kaipiao.ledger.numbering import check_request, contradiction, number_range, number_text, overlap, unasked
from kaipiao.ledger.port import Block, NumberCounts, SegmentRequest
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.rows import columns
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.trail import microseconds

_Place = tuple[str, str, int]  # taxpayer, channel, year
_Range = tuple[int, str, str]  # block id, first, last


class Numbers(Handle):
    """The number operations of the port."""

    async def open_segment_request(self, request: SegmentRequest, at: datetime) -> SegmentRequest:
        return await self._write(lambda transaction: _request(transaction, request, microseconds(at)))

    async def fill_segment(self, taxpayer: str, serial: str, first: str, last: str, at: datetime) -> None:
        _, size = number_range(first, last)
        answer = (microseconds(at), first, last, size)
        await self._write(lambda transaction: _fill(transaction, taxpayer, serial, answer))

    async def lease_block(
        self, taxpayer: str, channel: str, year: int, node: str, size: int, lease_seconds: float
    ) -> Block | None:
        place = (taxpayer, channel, year)
        now = self._lease_now()
        taken = await self._write(lambda transaction: _take(transaction, place, node, size, now, lease_seconds))
        if taken is None:
            return None
        (identity, first, last), epoch = taken
        # The epoch is raised and committed: only now nothing that is under way can use a number of it any more.
        used = {row[0] for row in await self._fetch(sql.USED_NUMBERS, taxpayer, first, last)}
        every = map(number_text, range(int(first), int(last) + 1))
        return Block(identity, taxpayer, channel, year, epoch, tuple(n for n in every if n not in used))

    async def reclaim_blocks(self, node: str) -> int:
        return await self._write(lambda transaction: _give_up(transaction, node))

    async def renew_blocks(
        self, node: str, epochs: Mapping[tuple[str, int], int], lease_seconds: float
    ) -> set[tuple[str, int]]:
        wanted = columns([(*key, epoch) for key, epoch in sorted(epochs.items())], 3)
        now = self._lease_now()

        async def renew(transaction: Transaction) -> set[tuple[str, int]]:
            held = await transaction.rows(sql.RENEW_BLOCKS, node, *wanted, now, lease_seconds)
            return {(taxpayer, identity) for taxpayer, identity in held}

        return await self._write(renew)

    async def release_blocks(self, node: str) -> None:
        await self._write(lambda transaction: _give_up(transaction, node))

    async def number_counts(self, taxpayer: str, channel: str, year: int) -> NumberCounts:
        (found,) = await self._fetch(sql.NUMBER_COUNTS, taxpayer, channel, year, self._lease_now())
        pulled, uncarved, expired, leased, unused, used, expired_in_blocks = found
        return NumberCounts(pulled, uncarved + unused - leased, leased, used, expired + expired_in_blocks)

    async def expire_numbers(self, taxpayer: str, channel: str, before_year: int) -> int:
        """In two commits: fence, then count. Cut off in between, the numbers are free and the next call ends it."""
        place = (taxpayer, channel, before_year)
        uncarved, fenced = await self._write(lambda transaction: _fence(transaction, place))
        if not fenced:
            return uncarved
        epochs = columns(fenced, 2)

        async def expire(transaction: Transaction) -> int:
            return int(await transaction.value(sql.EXPIRE_BLOCKS, taxpayer, *epochs))

        return uncarved + await self._write(expire)


async def _request(transaction: Transaction, request: SegmentRequest, at: int) -> SegmentRequest:
    place = (request.taxpayer, request.channel, request.year)
    found = await transaction.row(sql.OPEN_SEGMENT, *place)
    if found is not None:
        return SegmentRequest(*place, *found)
    check_request(request)
    if await transaction.value(sql.SEGMENT_EXISTS, request.taxpayer, request.serial):
        raise contradiction("号段流水号重复", "A serial of a segment is used twice", serial=request.serial)
    row = (request.taxpayer, request.serial, request.channel, request.year, request.quantity, at)
    await transaction.execute(sql.INSERT_SEGMENT, *row)
    return request


async def _fill(transaction: Transaction, taxpayer: str, serial: str, answer: tuple[int, str, str, int]) -> None:
    _, first, last, _ = answer
    segments = {row["serial"]: row for row in await transaction.rows(sql.LOCK_SEGMENTS, taxpayer)}
    asked = segments.get(serial)
    if asked is None:
        raise unasked(serial)
    if asked["filled_at"] is not None:
        if (asked["first"], asked["last"]) != (first, last):
            raise contradiction("同一流水号两次答复不同", "One serial, two different answers", serial=serial)
        return
    for other in segments.values():
        if other["first"] is not None and other["first"] <= last and other["last"] >= first:
            raise overlap(serial, other["serial"])
    await transaction.execute(sql.FILL_SEGMENT, taxpayer, serial, *answer)


async def _take(
    transaction: Transaction, place: _Place, node: str, size: int, now: float | None, lease_seconds: float
) -> tuple[_Range, int] | None:
    """Raise the epoch of an idle block, or of a new one, and hand it to the node."""
    found = await _idle(transaction, place, now) or await _carve(transaction, place, size)
    if found is None:
        return None
    epoch = await transaction.value(sql.TAKE_BLOCK, place[0], found[0], node, now, lease_seconds)
    return found, int(epoch)


async def _idle(transaction: Transaction, place: _Place, now: float | None) -> _Range | None:
    """The first idle block with unused numbers. Those without are settled on the way; the lock came first, so that
    nothing can be under way on the block while it is counted."""
    while (found := await transaction.row(sql.LOCK_IDLE_BLOCK, *place, now)) is not None:
        identity, first, last, _, size = found
        if await transaction.value(sql.COUNT_USED, place[0], first, last) < size:
            return identity, first, last
        await transaction.execute(sql.SETTLE_BLOCK, place[0], identity)
    return None


async def _carve(transaction: Transaction, place: _Place, size: int) -> _Range | None:
    if size < 1:
        return None
    found = await transaction.row(sql.LOCK_UNCARVED_SEGMENT, *place)
    if found is None:
        return None
    serial, first, carved, left = found
    taxpayer, channel, year = place
    count = min(size, left)
    start = int(first) + carved
    begin, end = number_text(start), number_text(start + count - 1)
    await transaction.execute(sql.CARVE, taxpayer, serial, count)
    identity = await transaction.value(sql.INSERT_BLOCK, taxpayer, channel, year, serial, begin, end, count)
    return int(identity), begin, end


async def _give_up(transaction: Transaction, node: str) -> int:
    await transaction.rows(sql.LOCK_BLOCKS_OF_NODE, node)
    return await transaction.execute(sql.GIVE_UP_BLOCKS, node)


async def _fence(transaction: Transaction, place: _Place) -> tuple[int, list[tuple[int, int]]]:
    """How many never carved numbers expired, and the blocks (id, epoch) that nobody can use any more."""
    uncarved = int(await transaction.value(sql.EXPIRE_UNCARVED, *place))
    return uncarved, [(identity, epoch) for identity, epoch in await transaction.rows(sql.FENCE_OLD_BLOCKS, *place)]
