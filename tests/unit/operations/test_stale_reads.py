"""Lists are read from a copy only from L2 on, only while it is fit, and never without the caller's own writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from kaipiao.errors import LedgerFault, NotFound, ReplicaBehind, ReplicaUnfit
from kaipiao.ledger.lists import ListBooks, Seen
from kaipiao.ledger.memory import MemoryLedger
from kaipiao.ledger.port import EventDraft
from kaipiao.operations.degradation import own_writes
from kaipiao.operations.degradation.ladder import Level
from kaipiao.operations.degradation.own_writes import OwnWrites
from kaipiao.operations.degradation.replica_watch import GOOD_LOOKS, OLDEST_LOOK, ReplicaWatch
from kaipiao.operations.degradation.stale_reads import StaleReads
from kaipiao.operations.degradation.state import undegraded


class Standby(MemoryLedger):
    """A copy whose looks go as the test wants."""

    def __init__(self) -> None:
        super().__init__("standby")
        self.seen: Seen | None = None
        self.trouble: LedgerFault | None = None

    async def look(self, patience: float) -> Seen:
        if self.trouble is not None:
            self.seen = None
            raise self.trouble
        self.seen = Seen(time.monotonic(), 0.002)
        return self.seen


class Stand:
    def __init__(self) -> None:
        self.primary, self.standby = MemoryLedger("n1"), Standby()
        self.told: list[EventDraft] = []
        self.watch = ReplicaWatch(self.standby, 0.05, self._append, "n1")
        self.degradation = undegraded()
        self.degradation.replica = lambda: self.watch.usable() is not None
        self.reads = StaleReads(self.primary, self.degradation, self.watch)

    async def _append(self, events: Sequence[EventDraft]) -> None:
        self.told += events

    async def looks(self, times: int = GOOD_LOOKS) -> None:
        for _ in range(times):
            await self.watch.look()

    async def level(self, level: Level) -> None:
        await self.degradation.set_by_hand(level, "test", None)

    async def place(self, subject: str = "a", *, fresh: bool = False) -> str:
        """Who answers."""

        async def who(books: ListBooks) -> str:
            return "standby" if books is self.standby else "primary"

        found = await self.reads.read(who, subject, fresh=fresh)
        assert (found.behind is not None) == (found.value == "standby")
        return found.value

    def kinds(self) -> list[tuple[str, object]]:
        return [(event.kind, event.data["reason"]) for event in self.told]


async def degraded() -> Stand:
    stand = Stand()
    await stand.level(Level.L2)
    await stand.looks()
    assert await stand.place() == "standby"
    return stand


@pytest.mark.parametrize("level", [Level.NORMAL, Level.L1])
def test_below_level_2_the_primary_answers(level: Level) -> None:
    async def story() -> None:
        stand = await degraded()
        await stand.level(level)
        assert await stand.place() == "primary"
        assert "lists_from_replica" not in [one.name for one in stand.degradation.measures()]
        await stand.level(Level.L3)
        assert await stand.place() == "standby"
        assert "lists_from_replica" in [one.name for one in stand.degradation.measures()]

    asyncio.run(story())


def test_without_a_replica_the_primary_answers_and_no_such_measure_is_told() -> None:
    async def story() -> None:
        stand = Stand()
        stand.reads = StaleReads(stand.primary, stand.degradation)
        await stand.level(Level.L3)
        stand.reads.wrote("a")
        assert await stand.place() == "primary"
        assert "lists_from_replica" not in [one.name for one in stand.degradation.measures()]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (ReplicaBehind(lag_ms=1200), "KP-LEDGER-08"),
        (ReplicaUnfit(reason="recovery"), "KP-LEDGER-07 recovery"),
        (LedgerFault(reason="time-out"), "KP-LEDGER-02 time-out"),
    ],
)
def test_a_copy_in_trouble_is_left_at_once_told_once_and_taken_again_after_some_good_looks(
    trouble: LedgerFault, reason: str
) -> None:
    async def story() -> None:
        stand = await degraded()
        stand.standby.trouble = trouble
        await stand.looks(1)
        assert await stand.place() == "primary"
        await stand.looks(3)
        assert stand.kinds() == [("replica.lost", reason)]
        assert stand.watch.lag == pytest.approx(1.2) or stand.watch.lag != stand.watch.lag
        stand.standby.trouble = None
        for _ in range(GOOD_LOOKS - 1):
            await stand.looks(1)
            assert await stand.place() == "primary"
        await stand.looks(1)
        assert await stand.place() == "standby"
        assert stand.kinds()[1:] == [("replica.back", reason)]
        assert stand.watch.lag == 0.002

    asyncio.run(story())


def test_a_single_bad_look_begins_the_count_anew() -> None:
    async def story() -> None:
        stand = await degraded()
        for _ in range(3):
            stand.standby.trouble = ReplicaBehind(lag_ms=60)
            await stand.looks(1)
            stand.standby.trouble = None
            await stand.looks(GOOD_LOOKS - 1)
            assert await stand.place() == "primary"
        assert len(stand.told) == 1

    asyncio.run(story())


def test_a_way_that_is_lost_between_two_looks_counts_anew_as_well() -> None:
    async def story() -> None:
        stand = await degraded()
        stand.standby.seen = None
        assert await stand.place() == "primary"
        await stand.looks(GOOD_LOOKS - 1)
        assert await stand.place() == "primary"
        await stand.looks(1)
        assert await stand.place() == "standby"

    asyncio.run(story())


def test_a_look_that_is_old_says_nothing() -> None:
    async def story() -> None:
        stand = await degraded()
        stand.standby.seen = Seen(time.monotonic() - OLDEST_LOOK - 0.1, 0.001)
        assert await stand.place() == "primary"

    asyncio.run(story())


def test_who_has_written_since_the_look_is_answered_by_the_primary() -> None:
    async def story() -> None:
        stand = await degraded()
        stand.reads.wrote("a")
        assert await stand.place("a") == "primary"
        assert await stand.place("b") == "standby"
        await stand.looks(1)
        assert await stand.place("a") == "standby"
        assert await stand.place("a", fresh=True) == "primary"

    asyncio.run(story())


def test_what_fails_on_the_copy_is_done_again_as_a_whole_on_the_primary() -> None:
    async def story() -> None:
        stand = await degraded()
        asked: list[ListBooks] = []

        async def work(books: ListBooks) -> int:
            asked.append(books)
            if books is stand.standby:
                raise LedgerFault(reason="40001")
            return len(await books.page("x"))

        found = await stand.reads.read(work, "a")
        assert (found.value, found.behind) == (0, None)
        assert asked == [stand.standby, stand.primary]
        assert await stand.place() == "standby"  # one statement is no reason to leave it

    asyncio.run(story())


def test_what_is_no_fault_of_the_copy_is_not_done_again() -> None:
    async def story() -> None:
        stand = await degraded()
        asked: list[ListBooks] = []

        async def work(books: ListBooks) -> int:
            asked.append(books)
            raise NotFound

        with pytest.raises(NotFound):
            await stand.reads.read(work, "a")
        assert asked == [stand.standby]

    asyncio.run(story())


def test_what_cannot_be_told_is_told_with_the_next_look() -> None:
    async def story() -> None:
        stand = await degraded()
        stand.standby.trouble = ReplicaUnfit(reason="recovery")
        append, full = stand.watch._append, LedgerFault()

        async def fails(events: Sequence[EventDraft]) -> None:
            raise full

        stand.watch._append = fails
        with pytest.raises(LedgerFault):
            await stand.watch.look()
        assert await stand.place() == "primary"
        stand.watch._append = append
        await stand.looks(2)
        assert stand.kinds() == [("replica.lost", "KP-LEDGER-07 recovery")]

    asyncio.run(story())


def test_writers_of_long_ago_are_forgotten() -> None:
    now = 0.0
    own = OwnWrites(lambda: now)
    for serial in range(100):
        own.note(f"s{serial}")
    own.note("s0")
    assert own.since("s0", 0.0)
    assert not own.since("s0", 0.1)
    now = own_writes.FORGOTTEN + 1
    own.note("late")
    assert list(own._last) == ["late"]
