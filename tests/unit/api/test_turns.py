"""Whose turn it is, counted in turns; who is refused before memory grows; what is never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.api.door.admission import Admission, Bounds, Place, Priority
from kaipiao.api.door.presence import Presence
from kaipiao.api.door.turns import TURN_BYTES, Turns, Waiter
from kaipiao.errors import CallerGone, Overloaded

SALE, BULK = Priority.SALE, Priority.BULK


class Hall:
    """An admission, and orders that come to it. `served`: whose turn came, in order; a turn lasts until `next`."""

    def __init__(self, **bounds: float) -> None:
        self.now = 0.0
        self.reasons: list[str] = []
        self.admission = Admission(Bounds(**{"work_max": 1, "work_min": 1, **bounds}), lambda: self.now)  # type: ignore[arg-type]
        self.admission.refused = self.reasons.append
        self.served: list[str] = []
        self.refused: list[str] = []
        self.said: list[Overloaded] = []
        self.inside: list[Place] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def comes(self, party: str, count: int = 1, priority: Priority = SALE, size: int = 1) -> None:
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._order(party, priority, size)))
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # who made room hears of it

    async def _order(self, party: str, priority: Priority, size: int) -> None:
        place: Place | None = None
        try:
            place = self.admission.place(party, priority)
            place.hold(size)
            await place.turn()
        except Overloaded as refused:
            self.refused.append(party)
            self.said.append(refused)
            if place is not None:
                place.leave()
            return
        self.served.append(party)
        self.inside.append(place)

    async def next(self, turns: int = 1) -> None:
        for _ in range(turns):
            if self.inside:
                self.inside.pop(0).leave()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def end(self) -> None:
        while self.inside:
            await self.next()
        await asyncio.gather(*self.tasks)
        assert all((one.status, type(one.facts["retry_after"])) == (429, int) for one in self.said)
        a = self.admission
        assert (a.under_way, a.held, a.waiting(SALE), a.waiting(BULK)) == (0, 0, 0, 0)


def played(story: Callable[[], Coroutine[object, object, None]]) -> None:
    """A story that would wait for ever fails."""
    asyncio.run(asyncio.wait_for(story(), 20))


def test_the_single_order_of_another_is_served_next_but_one_however_long_the_flood_is() -> None:
    async def story() -> None:
        hall = Hall()
        await hall.comes("flood", 1000)
        await hall.comes("shop")
        await hall.next(2)
        assert "shop" in hall.served
        await hall.end()
        assert hall.served.count("flood") == 1000

    played(story)


def test_with_many_parties_each_waits_for_one_order_of_each_other() -> None:
    async def story() -> None:
        hall = Hall()
        for name in "abcdefgh":
            await hall.comes(name, 20)
        await hall.next(16)
        assert {name: hall.served.count(name) for name in "abcdefgh"} == {n: 3 if n == "a" else 2 for n in "abcdefgh"}
        await hall.end()

    played(story)


def test_large_orders_cost_their_party_turns() -> None:
    async def story() -> None:
        hall = Hall()
        await hall.comes("idle")
        await hall.comes("large", 10, size=3 * TURN_BYTES)
        await hall.comes("small", 40)
        await hall.next(20)
        assert (hall.served.count("large"), hall.served.count("small")) == (4, 16)
        await hall.end()

    played(story)


def test_bulk_lets_sales_pass_and_is_never_forgotten() -> None:
    async def story() -> None:
        hall = Hall()
        await hall.comes("bulk", 30, BULK)
        await hall.comes("till", 30)
        await hall.next(16)
        assert hall.served[1:].count("till") == 14
        assert hall.served[1:].count("bulk") == 2
        await hall.end()
        assert len(hall.served) == 60

    played(story)


def test_in_a_full_queue_the_longest_line_makes_room_and_a_longer_one_is_refused() -> None:
    async def story() -> None:
        hall = Hall(queue_max=10)
        await hall.comes("flood", 50)
        assert hall.refused == ["flood"] * 39  # one has its turn, ten wait
        await hall.comes("shop", 3)
        assert hall.refused == ["flood"] * 42
        await hall.next(6)
        assert hall.served.count("shop") == 3
        await hall.end()
        assert (len(hall.served), set(hall.reasons)) == (11, {"queue"})

    played(story)


def test_the_bytes_of_bodies_are_bounded_and_shared() -> None:
    async def story() -> None:
        hall = Hall(queue_bytes=1000)
        await hall.comes("idle")
        await hall.comes("heavy", 20, size=100)
        assert hall.admission.held <= 1000
        assert hall.refused == ["heavy"] * 11
        await hall.comes("shop", size=300)
        assert hall.admission.held <= 1000
        assert hall.refused == ["heavy"] * 14
        await hall.end()
        assert hall.served.count("shop") == 1
        assert set(hall.reasons) == {"bytes"}

    played(story)


def test_a_body_that_alone_is_over_the_bytes_is_refused_and_leaves_nothing() -> None:
    async def story() -> None:
        hall = Hall(queue_bytes=1000)
        await hall.comes("large", size=1001)
        assert hall.refused == ["large"]
        await hall.end()

    played(story)


def test_a_wait_that_would_be_too_long_is_refused_before_it_begins() -> None:
    async def story() -> None:
        hall = Hall(wait_s=5.0, queue_max=10_000)
        await hall.comes("flood", 50)
        for _ in range(40):
            hall.now += 1.0
            hall.admission._sweeping = None  # the sweep is another test's
            await hall.next()
        assert hall.admission._expected("flood", SALE) > 5.0
        await hall.comes("flood")
        assert hall.refused == ["flood"]
        assert hall.reasons == ["wait"]
        await hall.comes("shop")  # its turn is the next but one
        assert hall.refused == ["flood"]
        await hall.end()

    played(story)


def test_who_waited_too_long_is_sent_away_and_who_is_patient_stays() -> None:
    async def story() -> None:
        hall = Hall(wait_s=5.0)
        await hall.comes("idle")
        await hall.comes("late", 2)
        patient = hall.admission.item("batch")
        waiting = asyncio.create_task(patient.turn())
        await asyncio.sleep(0)
        hall.now = 5.1
        hall.admission._sweep()
        await asyncio.sleep(0)
        assert hall.refused == ["late", "late"]
        assert not waiting.done()
        await hall.next()
        await waiting
        patient.leave()
        await hall.end()

    played(story)


def test_a_caller_that_leaves_the_queue_gets_no_turn_and_one_that_leaves_in_its_turn_keeps_it() -> None:
    async def story() -> None:
        hall = Hall()
        await hall.comes("idle")
        leaver, place = Presence(), hall.admission.place("leaver", SALE)
        waiting = asyncio.create_task(place.turn(leaver))
        await asyncio.sleep(0)
        leaver.leave()
        with pytest.raises(CallerGone):
            await waiting
        assert hall.admission.waiting(SALE) == 0
        stayer, place = Presence(), hall.admission.place("stayer", SALE)
        waiting = asyncio.create_task(place.turn(stayer))
        await asyncio.sleep(0)
        hall.inside.pop().leave()
        await waiting
        stayer.leave()
        assert hall.admission.under_way == 1
        place.leave()
        with pytest.raises(CallerGone):
            await hall.admission.place("gone", SALE).turn(stayer)
        await hall.end()

    played(story)


@pytest.mark.parametrize("granted", [False, True])
def test_a_cancelled_wait_takes_no_turn_with_it(granted: bool) -> None:
    async def story() -> None:
        hall = Hall()
        await hall.comes("idle")
        place = hall.admission.place("cancelled", SALE)
        waiting = asyncio.create_task(place.turn())
        await asyncio.sleep(0)
        if granted:
            hall.inside.pop().leave()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        place.leave()
        await hall.comes("next")
        await hall.end()
        assert hall.served == ["idle", "next"]

    played(story)


def test_a_late_event_loop_gets_fewer_orders_at_once_and_more_again_when_it_is_not() -> None:
    async def story() -> None:
        hall = Hall(work_max=16, work_min=4)
        await hall.comes("shop", 40)
        assert hall.admission.under_way == 16
        for _ in range(10):
            hall.admission.look_at_lag(0.5)
        await hall.next(12)
        assert hall.admission.under_way == 4
        hall.admission.look_at_lag(0.0)
        assert hall.admission.under_way == 5
        for _ in range(40):
            hall.admission.look_at_lag(0.0)
        assert hall.admission.limit == 16
        await hall.end()

    played(story)


def test_so_many_batches_at_once_and_no_more_than_its_share_for_one() -> None:
    admission = Admission(Bounds(batches_max=4, batches_share=0.5))
    with admission.batch("a"), admission.batch("a"):
        with pytest.raises(Overloaded) as full:
            admission.batch("a")
        assert full.value.facts["reason"] == "batches"
        with admission.batch("b"), admission.batch("b"), pytest.raises(Overloaded):
            admission.batch("c")
        assert admission.batches == 2
    assert admission.batches == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4 * TURN_BYTES), st.booleans()), max_size=60))
def test_whatever_comes_and_goes_every_waiter_is_had_once(steps: list[tuple[str, int, bool]]) -> None:
    loop = asyncio.new_event_loop()
    turns = Turns()
    waiting: list[Waiter] = []
    had: list[Waiter] = []
    for party, size, add in steps:
        if add or not waiting:
            waiter = Waiter(party, size, 0.0, loop.create_future())
            turns.add(waiter)
            waiting.append(waiter)
        elif size % 2:
            had.append(turns.next())
            waiting.remove(had[-1])
        else:
            assert turns.remove(waiting.pop(0))
        assert len(turns) == len(waiting)
        assert turns.longest()[1] == max((sum(w.party == p for w in waiting) for p in "abc"), default=0)
    had += [turns.next() for _ in range(len(turns))]
    assert len(had) == len(set(had))
    assert turns.parties == 0
    loop.close()
