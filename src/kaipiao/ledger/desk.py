"""The decision on admissions, one after the other, for ledgers in SQL. Pure: what it must know it asks of `Facts`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from kaipiao.ledger.changes import (
    admission_event,
    admitted,
    cents,
    check_same_content,
    gives_back,
    may_succeed,
    money,
    nothing_to_replace,
    numbered,
    numbering_event,
    numbers,
    replaced,
    replaced_event,
)
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult, EventDraft, InvoiceRecord

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class BlockSeen:
    """A block as the ledger has it now."""

    epoch: int
    channel: str
    first: str
    last: str


class Facts(Protocol):
    """What the ledger has, before this round."""

    def live(self, taxpayer: str, order: str) -> InvoiceRecord | None: ...
    def under_way(self, record: InvoiceRecord) -> bool:
        """Whether some upload of it has no outcome yet, or one that its own sender did not give (`changes.ABANDONED`)."""
        ...

    def taken(self, record: InvoiceRecord) -> int:
        """What it took of the quota, in cents."""
        ...

    def block(self, taxpayer: str, block: int) -> BlockSeen | None: ...
    def is_used(self, taxpayer: str, number: str) -> bool: ...
    def left(self, taxpayer: str, channel: str, month: str) -> int:
        """Quota in cents."""
        ...


@dataclass(slots=True)
class Desk:
    """One round of admissions: what the ledger has, and what those before in this round will add to it.

    Afterwards `released` (quota in cents that a predecessor gives back to its account), `admitted`, then `numbered` (accepted
    before, maybe in this very round), `replaced` and `events` (each with the invoice whose order is its subject) are to be
    stored.
    """

    facts: Facts
    admitted: list[Admission] = field(default_factory=list)
    numbered: list[Admission] = field(default_factory=list)
    replaced: list[tuple[InvoiceRecord, Admission]] = field(default_factory=list)
    released: list[tuple[InvoiceRecord, int]] = field(default_factory=list)
    events: list[tuple[EventDraft, int | None]] = field(default_factory=list)
    _blocks: dict[tuple[str, int], BlockSeen | None] = field(default_factory=dict)
    _left: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _records: dict[_Key, InvoiceRecord] = field(default_factory=dict)
    _numbers: set[_Key] = field(default_factory=set)

    def admit(self, admission: Admission) -> AdmitResult:
        """Raises `Internal` for a successor of nothing, and for an id with other content than before."""
        live = self._live(admission)
        if live is not None:
            check_same_content(admission, live)
            if not numbers(admission, live) and not may_succeed(admission, live, self.facts.under_way):
                return AdmitResult(AdmitOutcome.KNOWN, live)
        if admission.number is not None and not self._block_holds(admission):
            return AdmitResult(AdmitOutcome.FENCED)
        if admission.number is not None and self._is_used(admission.taxpayer, admission.number):
            return AdmitResult(AdmitOutcome.NUMBER_USED)
        released = self._given_back(admission, live)
        if not self._take_quota(admission, released):
            return AdmitResult(AdmitOutcome.QUOTA_SHORT)
        return AdmitResult(AdmitOutcome.ADMITTED, self._note(admission, live, released))

    def _live(self, admission: Admission) -> InvoiceRecord | None:
        staged = self._records.get((admission.taxpayer, admission.order))
        return staged if staged is not None else self.facts.live(admission.taxpayer, admission.order)

    def _block_holds(self, admission: Admission) -> bool:
        """Whether the block still has this epoch and holds this number."""
        key = (admission.taxpayer, admission.block or 0)
        if key not in self._blocks:
            self._blocks[key] = self.facts.block(*key)
        block = self._blocks[key]
        if block is None or (block.epoch, block.channel) != (admission.epoch, admission.channel):
            return False
        return block.first <= (admission.number or "") <= block.last

    def _is_used(self, taxpayer: str, number: str) -> bool:
        return (taxpayer, number) in self._numbers or self.facts.is_used(taxpayer, number)

    def _given_back(self, admission: Admission, live: InvoiceRecord | None) -> int:
        if live is None or admission.replaces != live.id or not gives_back(admission, live):
            return 0
        return self.facts.taken(live)

    def _take_quota(self, admission: Admission, released: int) -> bool:
        if not admission.quota and not released:
            return True
        place = (admission.taxpayer, admission.channel, admission.month)
        if place not in self._left:
            self._left[place] = self.facts.left(*place)
        amount = cents(admission.quota)
        if amount > self._left[place] + released:
            return False
        self._left[place] += released - amount
        return True

    def _note(self, admission: Admission, live: InvoiceRecord | None, released: int) -> InvoiceRecord:
        key = (admission.taxpayer, admission.order)
        if live is None and admission.replaces is not None:
            raise nothing_to_replace(admission)
        if admission.number is not None:
            self._numbers.add((admission.taxpayer, admission.number))
        if live is not None and numbers(admission, live):
            self.numbered.append(admission)
            self.events.append((event := numbering_event(admission), of_order(admission, event)))
            record = self._records[key] = numbered(live, admission)
            return record
        if live is not None:
            self.replaced.append((live, admission))
            if released:
                self.released.append((live, released))
            self.events.append((replaced_event(replaced(live), admission, money(released)), live.id))
        record = self._records[key] = admitted(admission)
        self.admitted.append(admission)
        self.events.append((event := admission_event(admission), of_order(admission, event)))
        return record


def of_order(admission: Admission, event: EventDraft) -> int | None:
    """The invoice that the event of an admission is found by, when its subject is the order."""
    return admission.id if (event.taxpayer, event.subject) == (admission.taxpayer, admission.order) else None
