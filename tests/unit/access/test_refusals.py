"""Bad tokens are slowed by the address they come from; nobody is locked out."""

from __future__ import annotations

import asyncio

from kaipiao.access.refusals import FREE, HOLD_SECONDS, MOST_HELD, REMEMBERED, WINDOW, Refusals


class At:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_three_failures_of_five_minutes_are_answered_at_once_and_the_next_are_held() -> None:
    at = At()
    refusals = Refusals(at)
    assert [refusals.seconds_to_hold("a") for _ in range(FREE + 2)] == [0.0] * FREE + [HOLD_SECONDS] * 2
    assert refusals.seconds_to_hold("b") == 0.0
    at.now = WINDOW - 1
    assert refusals.seconds_to_hold("a") == HOLD_SECONDS
    at.now = WINDOW
    assert refusals.seconds_to_hold("a") == 0.0


def test_a_flood_of_sources_is_forgotten_oldest_first_and_holds_no_more_memory() -> None:
    refusals = Refusals(At())
    for _ in range(FREE + 1):
        refusals.seconds_to_hold("first")
    for n in range(REMEMBERED):
        refusals.seconds_to_hold(f"s{n}")
    assert len(refusals._failures) == REMEMBERED
    assert refusals.seconds_to_hold("first") == 0.0


def test_only_so_many_answers_are_held_at_once() -> None:
    async def flood() -> float:
        refusals = Refusals()
        loop = asyncio.get_running_loop()
        for _ in range(FREE):
            await refusals.hold("a")
        held = [asyncio.create_task(refusals.hold("a")) for _ in range(MOST_HELD)]
        await asyncio.sleep(0)
        began = loop.time()
        await refusals.hold("a")
        took = loop.time() - began
        await asyncio.gather(*held)
        return took

    assert asyncio.run(flood()) < HOLD_SECONDS / 2
