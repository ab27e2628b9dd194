"""Numbers in memory: segments, blocks, epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import HeldBlock, Segment
from kaipiao.ledger.numbering import check_request, contradiction, number_range, number_text, overlap, unasked
from kaipiao.ledger.port import Block, NumberCounts, SegmentRequest


class Numbers(Handle):
    """The number operations of the port."""

    async def open_segment_request(self, request: SegmentRequest, at: datetime) -> SegmentRequest:
        for segment in self._segments(request.taxpayer, request.channel, request.year):
            if not segment.size:
                return segment.request
        check_request(request)
        if (request.taxpayer, request.serial) in self.store.segments:
            raise contradiction("号段流水号重复", "A serial of a segment is used twice", serial=request.serial)
        self.store.segments[(request.taxpayer, request.serial)] = Segment(request)
        return request

    async def fill_segment(self, taxpayer: str, serial: str, first: str, last: str, at: datetime) -> None:
        start, size = number_range(first, last)
        segment = self.store.segments.get((taxpayer, serial))
        if segment is None:
            raise unasked(serial)
        if segment.size:
            if (segment.first, segment.size) != (start, size):
                raise contradiction("同一流水号两次答复不同", "One serial, two different answers", serial=serial)
            return
        for other in self._filled(taxpayer):
            if other.first < start + size and start < other.first + other.size:
                raise overlap(serial, other.request.serial)
        segment.first, segment.size = start, size

    async def lease_block(
        self, taxpayer: str, channel: str, year: int, node: str, size: int, lease_seconds: float
    ) -> Block | None:
        now = self._lease_clock()
        block = next(
            (b for b in self._blocks(taxpayer, channel, year) if not _holds(b, now) and b.unused), None
        ) or self._carve(taxpayer, channel, year, size)
        if block is None:
            return None
        block.epoch += 1
        block.node, block.lease_until = node, now + lease_seconds
        return Block(block.id, taxpayer, channel, year, block.epoch, self._unused(taxpayer, block))

    async def reclaim_blocks(self, node: str) -> int:
        return self._give_up(node)

    async def renew_blocks(
        self, node: str, epochs: Mapping[tuple[str, int], int], lease_seconds: float
    ) -> set[tuple[str, int]]:
        until = self._lease_clock() + lease_seconds
        held = set()
        for key, epoch in epochs.items():
            block = self.store.blocks.get(key)
            if block is not None and block.node == node and block.epoch == epoch:
                block.lease_until = until
                held.add(key)
        return held

    async def release_blocks(self, node: str) -> None:
        self._give_up(node)

    async def number_counts(self, taxpayer: str, channel: str, year: int) -> NumberCounts:
        now = self._lease_clock()
        segments = list(self._segments(taxpayer, channel, year))
        blocks = list(self._blocks(taxpayer, channel, year))
        leased = sum(b.unused for b in blocks if _holds(b, now))
        uncarved = sum(s.size - s.carved - s.expired for s in segments)
        return NumberCounts(
            pulled=sum(s.size for s in segments),
            free=uncarved + sum(b.unused for b in blocks if not _holds(b, now)),
            leased=leased,
            used=sum(b.used for b in blocks),
            expired=sum(s.expired for s in segments) + sum(b.expired for b in blocks),
        )

    async def expire_numbers(self, taxpayer: str, channel: str, before_year: int) -> int:
        count = 0
        for segment in self._of_channel(taxpayer, channel):
            if segment.request.year < before_year:
                left = segment.size - segment.carved - segment.expired
                segment.expired += left
                count += left
        for block in self.store.blocks.values():
            request = block.segment.request
            ours = (request.taxpayer, request.channel) == (taxpayer, channel)
            if ours and request.year < before_year and block.unused:
                block.epoch += 1
                block.node = None
                count += block.unused
                block.expired += block.unused
        return count

    def _filled(self, taxpayer: str) -> Iterator[Segment]:
        return (s for s in self.store.segments.values() if s.request.taxpayer == taxpayer and s.size)

    def _of_channel(self, taxpayer: str, channel: str) -> Iterator[Segment]:
        for segment in self.store.segments.values():
            if (segment.request.taxpayer, segment.request.channel) == (taxpayer, channel):
                yield segment

    def _segments(self, taxpayer: str, channel: str, year: int) -> Iterator[Segment]:
        return (s for s in self._of_channel(taxpayer, channel) if s.request.year == year)

    def _blocks(self, taxpayer: str, channel: str, year: int) -> Iterator[HeldBlock]:
        for block in self.store.blocks.values():
            request = block.segment.request
            if (request.taxpayer, request.channel, request.year) == (taxpayer, channel, year):
                yield block

    def _carve(self, taxpayer: str, channel: str, year: int, size: int) -> HeldBlock | None:
        for segment in self._segments(taxpayer, channel, year):
            left = segment.size - segment.carved - segment.expired
            if left > 0 and size > 0:
                identity = sum(1 for owner, _ in self.store.blocks if owner == taxpayer) + 1
                block = HeldBlock(identity, segment, segment.first + segment.carved, min(size, left))
                segment.carved += block.size
                self.store.blocks[(taxpayer, identity)] = block
                return block
        return None

    def _unused(self, taxpayer: str, block: HeldBlock) -> tuple[str, ...]:
        every = (number_text(n) for n in range(block.first, block.first + block.size))
        return tuple(n for n in every if (taxpayer, n) not in self.store.numbers)

    def _give_up(self, node: str) -> int:
        mine = [b for b in self.store.blocks.values() if b.node == node]
        for block in mine:
            block.epoch += 1
            block.node = None
        return len(mine)


def _holds(block: HeldBlock, now: float) -> bool:
    return block.node is not None and block.lease_until > now
