"""A clock that runs fast does not make those who look around every second busy without a rest."""

from __future__ import annotations

import asyncio

import pytest

from kaipiao.clock import SHORTEST_SLEEP, ClockFunction, FunctionClock


@pytest.mark.parametrize("speed", [1.0, 60.0, 1200.0, 100_000.0])
def test_a_sleep_is_never_cut_into_steps_too_short_to_rest(speed: float, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, steps = [0.0], []

    async def sleep(seconds: float) -> None:
        steps.append(seconds)
        machine[0] += seconds

    monkeypatch.setattr("kaipiao.clock.time.time", lambda: machine[0])
    monkeypatch.setattr("kaipiao.clock.asyncio.sleep", sleep)
    asyncio.run(FunctionClock(ClockFunction(0.0, 0.0, speed)).sleep(1.0))
    assert min(steps) >= SHORTEST_SLEEP
    assert max(steps) <= 0.05
    assert sum(steps) >= 1.0 / speed
