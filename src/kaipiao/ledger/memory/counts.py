"""Sums that must hold in a memory store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.memory.store import MemoryStore


def contradictions(store: MemoryStore) -> list[str]:
    """What contradicts itself: empty, always."""
    return [*_numbers(store), *_orders(store), *_quota(store)]


def _numbers(store: MemoryStore) -> Iterator[str]:
    for (taxpayer, identity), block in store.blocks.items():
        inside = range(block.first, block.first + block.size)
        used = sum(1 for owner, number in store.numbers if owner == taxpayer and int(number) in inside)
        if used != block.used or block.unused < 0:
            yield f"a block's count of used numbers differs from its entries: {taxpayer} {identity}"
    carved = Counter[int]()
    for block in store.blocks.values():
        carved[id(block.segment)] += block.size
    for segment in store.segments.values():
        if carved[id(segment)] != segment.carved or segment.carved + segment.expired > segment.size:
            yield f"a segment's carved numbers differ from its blocks: {segment.request.serial}"
    for (taxpayer, number), identity in store.numbers.items():
        if store.invoices[(taxpayer, identity)].number != number:
            yield f"an entry's invoice does not have the number: {number}"


def _orders(store: MemoryStore) -> Iterator[str]:
    for key, record in store.invoices.items():
        if record.number is not None and store.numbers.get((record.taxpayer, record.number)) != record.id:
            yield f"an invoice's number is not its entry: {key}"
        live = store.orders[(record.taxpayer, record.order)] == record.id
        if live == (record.state is State.REPLACED):
            yield f"an order has more than one live invoice, or none: {key}"


def _quota(store: MemoryStore) -> Iterator[str]:
    booked: Counter[tuple[str, str, str]] = Counter()
    for (taxpayer, identity), amount in store.taken_quota.items():
        record = store.invoices[(taxpayer, identity)]
        booked[(taxpayer, record.channel, record.month)] += int(amount * 100)
    for place, account in store.accounts.items():
        if account.left < 0 or account.issued != Decimal(booked[place]) / 100:
            yield f"a quota account differs from its entries: {place}"
