"""The judge: books of its own of what callers were told and what was sent, held against both sides' books.

It sees every change of the ledger, but believes nothing of it: what must follow is worked out here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime

from kaipiao.authority.channel import Outcome
from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.memory import MemoryStore
from kaipiao.ledger.port import InvoiceRecord
from kaipiao_lab.simulation.copies import Copy
from kaipiao_lab.simulation.rulebook import Rulebook, closes
from kaipiao_lab.simulation.story import Broken

SETTLED = 590.0  # the settle time, less what a call may take


class WatchedStore(MemoryStore):
    """A store that says what is kept in it."""

    on_keep: Callable[[InvoiceRecord], None]

    def keep(self, record: InvoiceRecord) -> None:
        super().keep(record)
        self.on_keep(record)


class Judge:
    """Raises `Broken` at the moment in which a promise is seen to be broken."""

    def __init__(self, rules: Rulebook, store: WatchedStore) -> None:
        self._rules = rules
        self._store = store
        store.on_keep = self._kept
        self.told: dict[str, str] = {}  # order → the number that a caller was told
        self.accepted: set[str] = set()  # acknowledged without a number
        self.cancelled: set[str] = set()
        self.cancels: set[str] = set()  # somebody asked for it
        self.contents: dict[str, set[bool]] = defaultdict(
            set
        )  # order → which contents were asked for (True: the other)
        self.broken: list[Broken] = []
        self.jumps = 0
        self._sent: dict[str, set[str]] = defaultdict(set)  # order → numbers that left the house
        self._silences: dict[str, tuple[datetime, int]] = {}  # number → since when, and denials heard since
        self._numbers: dict[tuple[str, int], str] = {}
        self._doubted: dict[tuple[str, int], datetime] = {}

    def breaks(self, promise: str, fact: str, about: str | None = None) -> None:
        """Noted here, and raised by the world at its next step: a caller's task or the bureau must not swallow it."""
        self.broken.append(Broken(promise, fact, about))

    # --- what callers are told

    def was_told(self, order: str, record: InvoiceRecord, *, other: bool) -> None:
        number = str(record.number)
        if self.told.setdefault(order, number) != number:
            self.breaks("one order, one number", f"{order} was told {self.told[order]} and {number}", order)
        if order in self.cancelled:
            self.breaks("a cancelled order gets no number", f"{order} has {number}", order)
        self._of_this_content(order, record, other)

    def was_accepted(self, order: str, record: InvoiceRecord, *, other: bool) -> None:
        self.accepted.add(order)
        self._of_this_content(order, record, other)

    def was_refused_as_other(self, order: str) -> None:
        if len(self.contents[order]) < 2:
            self.breaks("the same order and content get the same answer", f"{order} was called another content", order)

    def was_cancelled(self, order: str) -> None:
        self.cancelled.add(order)
        if order in self.told:
            self.breaks("an order with a number is not cancelled", f"{order} has {self.told[order]}", order)

    def was_called_cancelled(self, order: str) -> None:
        if order not in self.cancels:
            self.breaks("only who asks cancels", f"{order} is called cancelled", order)

    def _of_this_content(self, order: str, record: InvoiceRecord, other: bool) -> None:
        asked = "另一购买方" if other else "示例购买方"
        if asked.encode() not in record.content:
            self.breaks("an answer is for the content that was asked for", order, order)

    # --- what is sent

    def calling(self, taxpayer: str, run: str) -> None:
        """`run`: of the node that begins a call."""
        shard = self._store.shards.get(taxpayer)
        if shard is not None and shard.node not in (None, run.split(".", maxsplit=1)[0]):
            self.breaks(
                "calls for a taxpayer come from the node that holds it",
                f"{run} calls, {shard.node} holds {taxpayer}",
                run,
            )

    def sending(self, now: datetime, copies: Sequence[Copy]) -> None:
        """`now`: by the clock of the node that sends."""
        for copy in copies:
            if copy.number in self._silences:
                self.breaks("R4: sent again only after two settled denials", copy.number, copy.number)
            if now >= closes(copy.made_at, self._rules):
                self.breaks("nothing is sent after its window", f"{copy.order} {copy.number}", copy.order)
            self._sent[copy.order].add(copy.number)
            if len(self._sent[copy.order]) > 1 and not self._were_replaced(copy):
                numbers = ", ".join(sorted(self._sent[copy.order]))
                self.breaks("no live order has two numbers", f"{copy.order} was sent as {numbers}", copy.order)

    def heard(self, outcome: Outcome, numbers: Sequence[str], now: datetime) -> None:
        """How a call that was sent came back to the node that waited for it. `now`: the true time."""
        for number in numbers:
            if outcome is Outcome.AMBIGUOUS:
                self._silences[number] = (now, 0)
            else:
                self._silences.pop(number, None)

    def clocks_jumped(self) -> None:
        """What is waited for by a clock that jumps comes too early or too late by as much."""
        self.jumps += 1
        self._silences.clear()

    def has_result(self, number: str) -> None:
        """The bureau gives one for it, a duplicate among them, which is looked after at once (R6)."""
        self._silences.pop(number, None)

    def asked(self, number: str, found: bool, now: datetime) -> None:
        if number not in self._silences:
            return
        since, denials = self._silences[number]
        if (now - since).total_seconds() < SETTLED:
            self.breaks("R4: nothing is asked before the settle time", number, number)
        if found or denials == 1:
            del self._silences[number]
        else:
            self._silences[number] = (since, denials + 1)

    def _were_replaced(self, copy: Copy) -> bool:
        """All of its other numbers."""
        others = (self._store.numbers.get((copy.taxpayer, n)) for n in self._sent[copy.order] - {copy.number})
        return all(i is not None and self._store.invoices[(copy.taxpayer, i)].state is State.REPLACED for i in others)

    # --- what the ledger keeps

    def _kept(self, record: InvoiceRecord) -> None:
        key = (record.taxpayer, record.id)
        if record.number is not None and self._numbers.setdefault(key, record.number) != record.number:
            self.breaks("the number of an invoice never changes", record.order, record.order)
        self._alarms_count_from_the_first_doubt(key, record)

    def _alarms_count_from_the_first_doubt(self, key: tuple[str, int], record: InvoiceRecord) -> None:
        if record.state is State.SUBMITTED:
            self._doubted.pop(key, None)
        since = record.unknown_since if record.state is State.UNKNOWN else None
        if since is not None and self._doubted.setdefault(key, since) != since:
            self.breaks("R5: alarms count from the first doubt", record.order, record.order)

    def was_made(self, record: InvoiceRecord, latest: datetime | None, now: datetime | None) -> None:
        """`latest`: made_at of what this run of the node had told before it was asked for this one. `now`: by the clock of
        the node, when it did not jump meanwhile."""
        if now is not None and (record.made_at - now).total_seconds() > 1.0:
            self.breaks("nothing is issued while the clock is behind", record.order, record.order)
        if latest is not None and record.made_at < latest:
            self.breaks("the clock of issuing never runs backwards", record.order, record.order)


def step_of(record: InvoiceRecord, now: datetime) -> int:
    """R5: which alarm is due."""
    if record.unknown_since is None or record.deadline is None:
        return 0
    way = (record.deadline - record.unknown_since).total_seconds()
    gone = (now - record.unknown_since).total_seconds()
    return 80 if gone >= 0.8 * way else 50 if gone >= 0.5 * way else 0
