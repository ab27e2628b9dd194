"""How many orders are worked on at once, who is next, and who is told to come again before memory grows.

An order passes three gates: room in the queue (asked before its body is read), bytes (as the body comes), its turn. What is
refused at any of them was not stored. From its turn on nothing here stops an order: it is issued whoever still waits for it.
Two classes wait apart: a sale, whose caller stands at the till, and bulk (batches, `Prefer: respond-async`), which has the
turn after every seven sales, and all that sales leave. What is neither (health, reading, cancelling) passes by.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from kaipiao.api.door.presence import Presence
from kaipiao.api.door.turns import Turns, Waiter
from kaipiao.clock import seconds_up
from kaipiao.errors import CallerGone, Overloaded
from kaipiao.language import Text

SALES_BEFORE_BULK = 7
SWEEP_SECONDS = 0.1  # how often those who waited too long are looked for
MEASURED = 32  # turns that are timed together: they end in groups, as the ledger commits them
MOST_RESTING = 64  # callers that wait for a number (`Prefer: wait=…`) without a turn
LONGEST_RETRY = 60.0  # seconds: what Retry-After says at most


class Priority(IntEnum):
    SALE = 0
    BULK = 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """`work_*`: orders worked on at once. `queue_*`: orders that wait, bytes of bodies held by waiting and by work. `wait_s`:
    how long an order may wait. `batches_max`: batches under way, `batches_share` of them for one party. `lag_s`: of the event
    loop; when it is later than that, fewer orders are worked on."""

    work_max: int = 64
    work_min: int = 8
    queue_max: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    wait_s: float = 10.0
    batches_max: int = 32
    batches_share: float = 0.5
    lag_s: float = 0.1


class Admission:
    """For the event loop alone. `refused` is told the reason of each refusal."""

    def __init__(self, bounds: Bounds | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds or Bounds()
        self.limit = float(self.bounds.work_max)  # of orders worked on, as the event loop's lag allows
        self.under_way = 0
        self.ended = 0  # turns since the start
        self.held = 0  # bytes
        self.refused: Callable[[str], None] = _told_nobody
        self._now = now
        self._turns = (Turns(), Turns())
        self._holding: dict[str, int] = {}  # bytes by party
        self._places: dict[Waiter, Place] = {}
        self._batches: dict[str, int] = {}
        self._sales_in_a_row = 0
        self._resting = 0
        self._throughput = _Throughput()
        self._sweeping: asyncio.TimerHandle | None = None

    def waiting(self, priority: Priority) -> int:
        return len(self._turns[priority])

    @property
    def batches(self) -> int:
        return sum(self._batches.values())

    def place(self, party: str, priority: Priority) -> Place:
        """Raises `Overloaded` when the queue has no room for this party, or its turn would come too late."""
        if self._must_wait():
            self._check_wait(party, priority)
            if self._full_for(party, priority):
                raise self._refusal("queue", party, priority)
        return Place(self, party, priority)

    def item(self, party: str) -> Place:
        """Of a batch under way, which bounds how many there are: it waits for its turn as long as it takes."""
        return Place(self, party, Priority.BULK, patient=True)

    def batch(self, party: str) -> Batch:
        """A batch begins. Raises `Overloaded` when too many are under way, or too many of this party."""
        mine = self._batches.get(party, 0)
        bounds = self.bounds
        if self.batches >= bounds.batches_max or mine >= max(1, int(bounds.batches_max * bounds.batches_share)):
            raise self._refusal("batches", party, Priority.BULK)
        self._batches[party] = mine + 1
        return Batch(self, party)

    def look_at_lag(self, seconds: float) -> None:
        """The event loop was so late. Fewer orders at once leave it time for uploads, leases and health; it recovers by
        steps."""
        bounds = self.bounds
        if seconds > bounds.lag_s:
            self.limit = max(float(min(bounds.work_min, bounds.work_max)), self.limit * 0.75)
        elif self.limit < bounds.work_max:
            self.limit = min(float(bounds.work_max), self.limit + 1.0)
            self._grant()

    def _must_wait(self) -> bool:
        return self.under_way >= int(self.limit) or any(self._turns)

    def _full_for(self, party: str, priority: Priority) -> bool:
        """A full queue still takes an order of a party that has fewer in it than another."""
        if sum(map(len, self._turns)) < self.bounds.queue_max:
            return False
        mine = self._turns[priority].of(party)
        return not any(turns.longest()[1] > mine + 1 for turns in self._turns)

    def _check_wait(self, party: str, priority: Priority) -> None:
        if self._expected(party, priority) > self.bounds.wait_s:
            raise self._refusal("wait", party, priority)

    def _expected(self, party: str, priority: Priority) -> float:
        """Seconds until the turn of one more order of this party, as turns went lately."""
        mine = self._turns[priority]
        before = min(len(mine), (mine.of(party) + 1) * max(1, mine.parties))
        if priority is Priority.BULK:
            before += min(len(self._turns[Priority.SALE]), SALES_BEFORE_BULK * (before + 1))
        return before * self._throughput.seconds_each

    def _refusal(self, reason: str, party: str, priority: Priority) -> Overloaded:
        self.refused(reason)
        seconds = seconds_up(min(LONGEST_RETRY, self._expected(party, priority)))
        return Overloaded(_TEXTS[reason], reason=reason, retry_after=seconds)

    async def _turn(self, place: Place, presence: Presence | None) -> None:
        if not self._must_wait():
            self.under_way += 1
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = Waiter(place.party, place.size, self._now(), granted, place.patient)
        if not place.patient:
            self._make_room(place)
        self._turns[place.priority].add(waiter)
        self._places[waiter] = place
        self._throughput.somebody_waits(waiter.since)
        self._sweep_later()
        if presence is not None:
            presence.on_gone = lambda: self._send_away(waiter, CallerGone())
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if not self._forget(waiter) and _was_granted(waiter):
                self._end_turn()  # just before
            raise
        finally:
            if presence is not None:
                presence.on_gone = None

    def _make_room(self, place: Place) -> None:
        """In a full queue the newest order of the longest line goes for one of a shorter."""
        if sum(map(len, self._turns)) < self.bounds.queue_max:
            return
        turns = max(self._turns, key=lambda turns: turns.longest()[1])
        party, longest = turns.longest()
        last = turns.newest(party)
        if last is None or longest <= self._turns[place.priority].of(place.party) + 1:
            raise self._refusal("queue", place.party, place.priority)
        self._send_away(last, self._refusal("queue", party, self._places[last].priority))

    def _hold(self, party: str, size: int) -> None:
        """Raises `Overloaded` when the bytes are held by others who hold no more than this party."""
        mine = self._holding.get(party, 0)
        while self.held + size > self.bounds.queue_bytes:
            heaviest = max(self._holding, key=lambda name: self._holding[name], default="")
            last = self._newest(heaviest)
            if last is None or self._holding[heaviest] <= mine + size:
                raise self._refusal("bytes", party, Priority.SALE)
            self._send_away(last, self._refusal("bytes", heaviest, self._places[last].priority))
        self.held += size
        self._holding[party] = mine + size

    def _let_go(self, party: str, size: int) -> None:
        self.held -= size
        left = self._holding.get(party, 0) - size
        if left > 0:
            self._holding[party] = left
        else:
            self._holding.pop(party, None)

    def _newest(self, party: str) -> Waiter | None:
        return self._turns[Priority.BULK].newest(party) or self._turns[Priority.SALE].newest(party)

    def _send_away(self, waiter: Waiter, why: Overloaded | CallerGone) -> None:
        """What it held is free at once, not when its task gets to run."""
        place = self._places.get(waiter)
        if place is not None and self._forget(waiter):
            place.let_go()
            if not waiter.granted.done():
                waiter.granted.set_exception(why)

    def _forget(self, waiter: Waiter) -> bool:
        """Whether it still waited."""
        place = self._places.pop(waiter, None)
        return place is not None and self._turns[place.priority].remove(waiter)

    def _end_turn(self) -> None:
        self.under_way -= 1
        self.ended += 1
        self._throughput.turn_ended(self._now(), more=any(self._turns))
        self._grant()

    def _grant(self) -> None:
        while self.under_way < int(self.limit) and any(self._turns):
            waiter = self._next_turns().next()
            self._places.pop(waiter, None)
            if not waiter.granted.done():
                self.under_way += 1
                waiter.granted.set_result(None)

    def _next_turns(self) -> Turns:
        sales, bulk = self._turns
        if not bulk or (sales and self._sales_in_a_row < SALES_BEFORE_BULK):
            self._sales_in_a_row += 1
            return sales
        self._sales_in_a_row = 0
        self._resting = 0
        return bulk

    def _sweep_later(self) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        before = self._now() - self.bounds.wait_s
        for turns in self._turns:
            for waiter in turns.stale(before):
                self._send_away(waiter, self._refusal("wait", waiter.party, self._places[waiter].priority))
        if any(self._turns):
            self._sweep_later()


class Place:
    """One order's way in. `leave` at the end, whatever happened; again is nothing. Who is patient is never sent away."""

    __slots__ = ("_admission", "_inside", "_resting", "party", "patient", "priority", "size")

    def __init__(self, admission: Admission, party: str, priority: Priority, *, patient: bool = False) -> None:
        self._admission = admission
        self._inside = False
        self._resting = False
        self.party = party
        self.priority = priority
        self.patient = patient
        self.size = 0  # bytes held

    def hold(self, size: int) -> None:
        """So many more bytes of the body were read. Raises `Overloaded`."""
        self._admission._hold(self.party, size)
        self.size += size

    def let_go(self) -> None:
        """What was held is held no more."""
        if self.size:
            self._admission._let_go(self.party, self.size)
            self.size = 0

    async def turn(self, presence: Presence | None = None) -> None:
        """Wait for it. Raises `Overloaded` when it does not come in time or makes way for a shorter line, `CallerGone` when
        the caller leaves meanwhile."""
        if presence is not None and presence.gone:
            raise CallerGone
        await self._admission._turn(self, presence)
        self._inside = True

    def rest(self) -> bool:
        """Give the turn up and stay: there is nothing to do now but to look again in a while. False when too many do."""
        if not self._resting:
            if self._admission._resting >= MOST_RESTING:
                return False
            self.leave()
            self._resting = True
            self._admission._resting += 1
        return True

    def leave(self) -> None:
        self.let_go()
        if self._resting:
            self._resting = False
            self._admission._resting -= 1
        if self._inside:
            self._inside = False
            self._admission._end_turn()


class Batch:
    """One batch under way: as a context manager."""

    __slots__ = ("_admission", "party")

    def __init__(self, admission: Admission, party: str) -> None:
        self._admission = admission
        self.party = party

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        left = self._admission._batches[self.party] - 1
        if left:
            self._admission._batches[self.party] = left
        else:
            del self._admission._batches[self.party]


class _Throughput:
    """Seconds between the ends of turns while somebody waits; 0.0 until that is known."""

    __slots__ = ("_ended", "_since", "seconds_each")

    def __init__(self) -> None:
        self.seconds_each = 0.0
        self._since: float | None = None
        self._ended = 0

    def somebody_waits(self, now: float) -> None:
        if self._since is None:
            self._since, self._ended = now, 0

    def turn_ended(self, now: float, *, more: bool) -> None:
        if self._since is not None:
            self._ended += 1
            if self._ended >= MEASURED:
                self.seconds_each = (now - self._since) / self._ended
                self._since, self._ended = now, 0
        if not more:
            self._since = None


def _was_granted(waiter: Waiter) -> bool:
    granted = waiter.granted
    return granted.done() and not granted.cancelled() and granted.exception() is None


def _told_nobody(_reason: str) -> None: ...


_TEXTS = {
    "queue": Text("排队的订单已满", "The queue of orders is full"),
    "bytes": Text("排队的请求体已占满内存份额", "The bodies that wait fill the memory they are given"),
    "wait": Text("等待时间过长，未办理", "The wait is too long; nothing was done"),
    "batches": Text("同时进行的批量过多", "Too many batches are under way"),
}
