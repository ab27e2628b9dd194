"""Numbers in SQLite: segments, blocks, epochs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kaipiao.ledger.numbering import check_request, contradiction, number_range, number_text, overlap, unasked
from kaipiao.ledger.port import Block, NumberCounts, SegmentRequest
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import microseconds

_Place = tuple[str, str, int]  # taxpayer, channel, year
_Range = tuple[int, str, str, int]  # block id, first, last, epoch


class Numbers(Handle):
    """The number operations of the port."""

    async def open_segment_request(self, request: SegmentRequest, at: datetime) -> SegmentRequest:
        return await self._write(lambda transaction: _request(transaction, request, at))

    async def fill_segment(self, taxpayer: str, serial: str, first: str, last: str, at: datetime) -> None:
        await self._write(lambda transaction: _fill(transaction, taxpayer, serial, first, last, at))

    async def lease_block(
        self, taxpayer: str, channel: str, year: int, node: str, size: int, lease_seconds: float
    ) -> Block | None:
        now = self._lease_clock()
        place = (taxpayer, channel, year)
        taken = await self._write(lambda transaction: _take(transaction, place, node, size, now, lease_seconds))
        if taken is None:
            return None
        identity, first, last, epoch = taken
        # The epoch is raised and committed: only now nothing that is under way can use a number of it any more.
        used = await self._read(lambda c: {n for (n,) in c.execute(sql.USED_NUMBERS, (taxpayer, first, last))})
        every = map(number_text, range(int(first), int(last) + 1))
        return Block(identity, taxpayer, channel, year, epoch, tuple(n for n in every if n not in used))

    async def reclaim_blocks(self, node: str) -> int:
        return await self._write(lambda transaction: transaction.execute(sql.GIVE_UP_BLOCKS, (node,)).rowcount)

    async def renew_blocks(
        self, node: str, epochs: Mapping[tuple[str, int], int], lease_seconds: float
    ) -> set[tuple[str, int]]:
        until = self._lease_clock() + lease_seconds
        wanted = dict(epochs)
        return await self._write(lambda transaction: _renew(transaction, node, wanted, until))

    async def release_blocks(self, node: str) -> None:
        await self._write(lambda transaction: transaction.execute(sql.GIVE_UP_BLOCKS, (node,)).rowcount)

    async def number_counts(self, taxpayer: str, channel: str, year: int) -> NumberCounts:
        now = self._lease_clock()
        return await self._read(lambda connection: _counts(connection, (taxpayer, channel, year), now))

    async def expire_numbers(self, taxpayer: str, channel: str, before_year: int) -> int:
        place = (taxpayer, channel, before_year)
        return await self._write(lambda transaction: _expire(transaction, place))


def _request(transaction: Transaction, request: SegmentRequest, at: datetime) -> SegmentRequest:
    place = (request.taxpayer, request.channel, request.year)
    found: Any = transaction.row(sql.OPEN_SEGMENT, place)
    if found is not None:
        return SegmentRequest(*place, *found)
    check_request(request)
    if transaction.row(sql.SEGMENT, (request.taxpayer, request.serial)):
        raise contradiction("号段流水号重复", "A serial of a segment is used twice", serial=request.serial)
    transaction.execute(
        sql.INSERT_SEGMENT,
        (
            request.taxpayer,
            request.serial,
            request.channel,
            request.year,
            request.quantity,
            microseconds(at),
        ),
    )
    return request


def _fill(transaction: Transaction, taxpayer: str, serial: str, first: str, last: str, at: datetime) -> None:
    _, size = number_range(first, last)
    found = transaction.row(sql.SEGMENT, (taxpayer, serial))
    if found is None:
        raise unasked(serial)
    filled_at, *known = found
    if filled_at is not None:
        if known != [first, last]:
            raise contradiction("同一流水号两次答复不同", "One serial, two different answers", serial=serial)
        return
    if other := transaction.row(sql.OVERLAPPING_SEGMENT, (taxpayer, last, first)):
        raise overlap(serial, str(other[0]))
    transaction.execute(sql.FILL_SEGMENT, (microseconds(at), first, last, size, taxpayer, serial))


def _take(
    transaction: Transaction, place: _Place, node: str, size: int, now: float, lease_seconds: float
) -> _Range | None:
    """Raise the epoch of an idle block, or of a new one, and hand it to the node."""
    found: Any = transaction.row(sql.IDLE_BLOCK, (*place, now)) or _carve(transaction, place, size)
    if found is None:
        return None
    identity, first, last, epoch = found
    transaction.execute(sql.TAKE_BLOCK, (node, now + lease_seconds, place[0], identity))
    return identity, first, last, epoch + 1


def _carve(transaction: Transaction, place: _Place, size: int) -> _Range | None:
    found: Any = transaction.row(sql.UNCARVED_SEGMENT, place)
    if found is None or size < 1:
        return None
    serial, first, carved, left = found
    taxpayer, channel, year = place
    take = min(size, left)
    start = int(first) + carved
    begin, end = number_text(start), number_text(start + take - 1)
    (identity,) = transaction.row(sql.NEXT_BLOCK, (taxpayer,)) or (1,)
    transaction.execute(sql.CARVE, (take, taxpayer, serial))
    transaction.execute(sql.INSERT_BLOCK, (taxpayer, identity, channel, year, serial, begin, end, take))
    return int(str(identity)), begin, end, 0


def _renew(
    transaction: Transaction, node: str, epochs: Mapping[tuple[str, int], int], until: float
) -> set[tuple[str, int]]:
    held = set()
    for (taxpayer, identity), epoch in epochs.items():
        if transaction.execute(sql.RENEW_BLOCK, (until, taxpayer, identity, node, epoch)).rowcount:
            held.add((taxpayer, identity))
    return held


def _counts(connection: sqlite3.Connection, place: _Place, now: float) -> NumberCounts:
    pulled, uncarved, expired = connection.execute(sql.SEGMENT_COUNTS, place).fetchone()
    leased, unused, used, expired_in_blocks = connection.execute(sql.BLOCK_COUNTS, (now, *place)).fetchone()
    return NumberCounts(pulled, uncarved + unused - leased, leased, used, expired + expired_in_blocks)


def _expire(transaction: Transaction, place: _Place) -> int:
    count = 0
    for counting, expiring in (
        (sql.EXPIRABLE_UNCARVED, sql.EXPIRE_UNCARVED),
        (sql.EXPIRABLE_BLOCKS, sql.EXPIRE_BLOCKS),
    ):
        (found,) = transaction.row(counting, place) or (0,)
        transaction.execute(expiring, place)
        count += int(str(found))
    return count
