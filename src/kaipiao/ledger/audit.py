"""The audit of the event trail: is what is there what was written, and how far does a signature vouch for it?

It names, per writer, the first event that was altered, deleted, inserted or moved; a tail that was cut off before the
last signed head; heads that do not verify; and the events that no head covers yet, of which nothing can be promised
against a person who can write the whole trail anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from kaipiao.errors import Internal
from kaipiao.ledger.port import ChainHead, Event, EventDraft, Ledger
from kaipiao.ledger.trail import ChainTip, chained, data_text, head_bytes

__all__ = [
    "Break",
    "BreakKind",
    "TrailAudit",
    "TrailReport",
    "WriterReport",
    "head_bytes",
    "read_trail",
    "verify_trail",
]

_PAGE = 1000


class BreakKind(StrEnum):
    ALTERED = "altered"  # the event's own hash does not fit its contents
    MISSING = "missing"  # the event of this sequence number is not there
    MOVED = "moved"  # it is there, but later than its successors
    INSERTED = "inserted"  # an event stands where another one of this number already stood
    UNLINKED = "unlinked"  # it is sound by itself but does not follow from the event before it
    CUT = "cut"  # the trail ends before the last signed head
    HEAD_DIFFERS = "head_differs"  # a verified head vouches for another hash: the chain up to here was rewritten


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a writer's chain does not hold. `position` is None where the event is not there."""

    kind: BreakKind
    writer: str
    sequence: int
    position: int | None = None


@dataclass(frozen=True, slots=True)
class WriterReport:
    """One writer's chain. `covered` is the last sequence number that a verified head vouches for (0 = none)."""

    writer: str
    events: int
    last_sequence: int
    covered: int
    first_break: Break | None
    bad_heads: tuple[ChainHead, ...]

    @property
    def uncovered(self) -> tuple[int, int] | None:
        """The first and last sequence number that no head covers yet."""
        return (self.covered + 1, self.last_sequence) if self.last_sequence > self.covered else None


@dataclass(frozen=True, slots=True)
class TrailReport:
    """The verdict on the whole trail."""

    writers: tuple[WriterReport, ...]

    @property
    def sound(self) -> bool:
        """Nothing broken and no head that fails to verify. Says nothing about events that no head covers yet."""
        return all(w.first_break is None and not w.bad_heads for w in self.writers)

    @property
    def events(self) -> int:
        return sum(w.events for w in self.writers)


@dataclass(slots=True)
class _Chain:
    """What is remembered of one writer while its events go by."""

    tip: ChainTip
    pending: list[ChainHead] = field(default_factory=list)  # verified heads not yet reached, last one first
    bad_heads: list[ChainHead] = field(default_factory=list)
    events: int = 0
    covered: int = 0
    first_break: Break | None = None


class TrailAudit:
    """The audit as events go by, one at a time in the order of their positions; memory does not grow with the trail."""

    def __init__(self, heads: Iterable[ChainHead], verify_signature: Callable[[ChainHead], bool]) -> None:
        self._chains: dict[str, _Chain] = {}
        for head in sorted(heads, key=lambda h: h.sequence, reverse=True):
            chain = self._chain(head.writer)
            (chain.pending if verify_signature(head) else chain.bad_heads).append(head)

    def see(self, event: Event) -> None:
        """Look at the next event."""
        chain = self._chain(event.writer)
        chain.events += 1
        if chain.first_break is not None:
            chain.first_break = _found_later(chain.first_break, event)
            return
        chain.first_break = _fault(chain.tip, event)
        if chain.first_break is None:
            chain.tip = ChainTip(event.writer, event.sequence, event.hash)
            self._pass_heads(chain, event)

    def report(self) -> TrailReport:
        """The verdict, after the last event."""
        return TrailReport(tuple(self._conclude(chain) for _, chain in sorted(self._chains.items())))

    def _chain(self, writer: str) -> _Chain:
        if writer not in self._chains:
            self._chains[writer] = _Chain(ChainTip(writer))
        return self._chains[writer]

    def _pass_heads(self, chain: _Chain, event: Event) -> None:
        while chain.pending and chain.pending[-1].sequence <= event.sequence:
            head = chain.pending.pop()
            if head.sequence == event.sequence and head.hash == event.hash:
                chain.covered = event.sequence
            elif chain.first_break is None:
                chain.first_break = Break(BreakKind.HEAD_DIFFERS, event.writer, event.sequence, event.position)

    def _conclude(self, chain: _Chain) -> WriterReport:
        fault, tip = chain.first_break, chain.tip
        if fault is None and chain.pending:
            fault = Break(BreakKind.CUT, tip.writer, tip.sequence + 1)
        return WriterReport(tip.writer, chain.events, tip.sequence, chain.covered, fault, tuple(chain.bad_heads))


def _fault(tip: ChainTip, event: Event) -> Break | None:
    expected = tip.sequence + 1
    if event.sequence > expected:
        return Break(BreakKind.MISSING, event.writer, expected)
    if event.sequence < expected:
        return Break(BreakKind.INSERTED, event.writer, event.sequence, event.position)
    if event.previous != tip.hash:
        own = ChainTip(event.writer, event.sequence - 1, event.previous)
        kind = BreakKind.UNLINKED if _hash_of(own, event) == event.hash else BreakKind.ALTERED
        return Break(kind, event.writer, event.sequence, event.position)
    if _hash_of(tip, event) != event.hash:
        return Break(BreakKind.ALTERED, event.writer, event.sequence, event.position)
    return None


def _found_later(known: Break, event: Event) -> Break:
    """What was missing may turn up: then it was moved, not deleted."""
    if known.kind is BreakKind.MISSING and event.sequence == known.sequence:
        return Break(BreakKind.MOVED, event.writer, event.sequence, event.position)
    return known


def _hash_of(tip: ChainTip, event: Event) -> bytes | None:
    """What its hash should be; None for contents that could never have been chained."""
    draft = EventDraft(event.kind, event.at, event.taxpayer, event.subject, event.data)
    try:
        return chained(tip, draft, data_text(event.data)).hash
    except Internal:
        return None


def verify_trail(
    events: Iterable[Event], heads: Iterable[ChainHead], verify_signature: Callable[[ChainHead], bool]
) -> TrailReport:
    """Audit a trail. `events` in the order of their positions, of any number of writers, seen once each."""
    audit = TrailAudit(heads, verify_signature)
    for event in events:
        audit.see(event)
    return audit.report()


async def read_trail(ledger: Ledger, verify_signature: Callable[[ChainHead], bool]) -> TrailReport:
    """Audit the trail of a ledger, a page at a time. The heads are read first, so that each finds its event."""
    audit = TrailAudit(await ledger.heads(), verify_signature)
    async for event in _all_events(ledger):
        audit.see(event)
    return audit.report()


async def _all_events(ledger: Ledger) -> AsyncIterable[Event]:
    after = 0
    while page := await ledger.events(after=after, limit=_PAGE):
        for event in page:
            yield event
        after = page[-1].position
