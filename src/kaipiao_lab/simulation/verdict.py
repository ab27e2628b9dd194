"""The last judgement: three books at the end of a world, and what callers remember."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.memory import MemoryLedger
from kaipiao.ledger.port import InvoiceRecord
from kaipiao_lab.simulation.line import CHANNEL
from kaipiao_lab.simulation.rulebook import month
from kaipiao_lab.simulation.story import Broken

if TYPE_CHECKING:
    from kaipiao_lab.simulation.world import World

LOST, DOUBLED, BELIEVED_WRONG = "lost", "doubled", "believed wrong"
_NEGATIVE = frozenset({State.REJECTED, State.EXPIRED, State.REPLACED, State.CANCELLED})


async def verdict(world: World) -> None:
    """Raises `Broken` for the first promise that was not kept."""
    for broken in _broken(world):
        raise broken
    ledger = MemoryLedger("judge", lease_clock=world.loop.time, store=world.store)
    for contradiction in await ledger.check_counts():
        raise Broken("the books do not contradict themselves", contradiction)
    if await ledger.open_uploads():
        raise Broken("every call gets an outcome", "uploads are left open")
    for seller in world.sellers:
        for year in (2026, 2027):
            counts = await ledger.number_counts(seller, CHANNEL, year)
            if counts.pulled != counts.free + counts.leased + counts.used + counts.expired:
                raise Broken("numbers add up", f"{seller} {year}: {counts}")
            if counts.leased:
                raise Broken("a clean stop gives its numbers back", f"{seller} {year}: {counts}")


def _broken(world: World) -> Iterator[Broken]:
    live = {r.order: r for r in world.store.invoices.values() if r.state is not State.REPLACED}
    yield from _lost(world, live)
    yield from _doubled(world, live)
    yield from _believed(world)
    yield from _numbers(world)
    yield from _quota(world)


def _lost(world: World, live: dict[str, InvoiceRecord]) -> Iterator[Broken]:
    judge = world.judge
    for order, number in judge.told.items():
        if order not in live:
            yield Broken(LOST, f"{order}, told {number}, is not in the books", order)
        elif live[order].number != number and live[order].replaces is None:
            yield Broken(DOUBLED, f"{order}, told {number}, is {live[order].number} in the books", order)
    for order in sorted((judge.accepted | judge.cancelled) - live.keys()):
        yield Broken(LOST, f"{order} was acknowledged and is not in the books", order)
    for order in sorted(judge.cancelled):
        if live[order].state is not State.CANCELLED:
            yield Broken("what was cancelled stays cancelled", f"{order} is {live[order].state}", order)
    for order, record in live.items():
        if record.number is not None and (record.taxpayer, record.id) not in world.store.sealed:
            yield Broken(LOST, f"{order} has a number and no document", order)


def _doubled(world: World, live: dict[str, InvoiceRecord]) -> Iterator[Broken]:
    records = world.store.invoices.values()
    if len(live) != sum(record.state is not State.REPLACED for record in records):
        yield Broken(DOUBLED, "an order has two live invoices")
    for number, times in Counter(r.number for r in records if r.number is not None).items():
        if times > 1:
            yield Broken(DOUBLED, f"{number} was given to {times} orders", number)
    for order, times in Counter(copy.order for copy in world.bureau.held.values() if copy.order).items():
        if times > 1:
            yield Broken(DOUBLED, f"the bureau holds {order} under {times} numbers", order)


def _believed(world: World) -> Iterator[Broken]:
    held = world.bureau.held
    for record in world.store.invoices.values():
        copy = held.get(record.number or "")
        ours = copy is not None and copy.order == record.order
        if record.state is State.CONFIRMED and not ours:
            yield Broken(BELIEVED_WRONG, f"{record.order} {record.number} is confirmed and not held", record.order)
        if record.state in _NEGATIVE and ours:
            yield Broken(BELIEVED_WRONG, f"{record.order} {record.number} is {record.state} and held", record.order)
        foreign = copy is not None and not copy.order and record.number not in world.bureau.rejected
        if foreign and record.number in world.bureau.duplicated and record.state is State.REJECTED:
            yield Broken("R6: a duplicate is evidence, not failure", f"{record.order} {record.number}", record.order)
        if record.state is State.CONFLICT and (copy is None or ours):
            yield Broken(BELIEVED_WRONG, f"{record.order} {record.number} is no conflict", record.order)


def _numbers(world: World) -> Iterator[Broken]:
    """Every number in use lies in a segment that the bureau gave to this taxpayer, for the year of the invoice."""
    segments = world.bureau.segments.values()
    for (taxpayer, number), identity in world.store.numbers.items():
        record = world.store.invoices[(taxpayer, identity)]
        year = int(month(record.made_at)[:4])
        if not any(t == taxpayer and y == year and s.first <= number <= s.last for t, y, s in segments):
            yield Broken("numbers add up", f"{number} was not given to {taxpayer} for {year}", record.order)


def _quota(world: World) -> Iterator[Broken]:
    taken: Counter[tuple[str, str]] = Counter()
    for record in world.store.invoices.values():
        if record.number is not None:
            taken[(record.taxpayer, month(record.made_at))] += int(max(Decimal(0), record.amount) * 100)
    for (taxpayer, _, of), account in world.store.accounts.items():
        if account.issued * 100 != taken[(taxpayer, of)]:
            yield Broken("quota adds up", f"{taxpayer} {of}: booked {account.issued}, issued {taken[(taxpayer, of)]}")
        if account.downloaded > world.bureau.granted[(taxpayer, of)]:
            granted = world.bureau.granted[(taxpayer, of)]
            yield Broken("quota adds up", f"{taxpayer} {of}: {account.downloaded} booked, {granted} granted")
        if account.left < 0:
            yield Broken("quota adds up", f"{taxpayer} {of}: {account.left} is left")
