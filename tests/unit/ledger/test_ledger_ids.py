"""Ids rise, fit 63 bits and need no database."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.clock import ManualClock
from kaipiao.ledger.ids import IdMaker

NOW = datetime(2026, 3, 5, tzinfo=UTC)


@given(st.lists(st.integers(-5000, 5000), max_size=60), st.integers(0, 2**32))
def test_ids_always_rise_whatever_the_clock_does(steps: list[int], seed: int) -> None:
    clock = ManualClock(NOW)
    maker = IdMaker(clock.now, random.Random(seed))
    made = [maker.next()]
    for step in steps:
        clock.advance(step / 1000)
        made.append(maker.next())
    assert all(a < b for a, b in itertools.pairwise(made))
    assert all(0 < i < 2**63 for i in made)


def test_ids_of_two_makers_sort_by_time_and_do_not_meet() -> None:
    clock = ManualClock(NOW)
    one, two = IdMaker(clock.now, random.Random(1)), IdMaker(clock.now, random.Random(2))
    made: list[int] = []
    for _ in range(2000):
        pair = [one.next(), two.next()]
        if made:
            assert min(pair) > max(made[-2:])
        made += pair
        clock.advance(0.001)
    assert len(set(made)) == len(made)


def test_the_same_seed_makes_the_same_ids() -> None:
    assert [IdMaker(lambda: NOW, random.Random(7)).next() for _ in range(2)] == [
        IdMaker(lambda: NOW, random.Random(7)).next() for _ in range(2)
    ]
    assert IdMaker(lambda: NOW).next() != IdMaker(lambda: NOW).next()


def test_ids_before_their_beginning_still_fit_and_the_end_is_said_clearly() -> None:
    assert IdMaker(lambda: datetime(1999, 1, 1, tzinfo=UTC), random.Random(1)).next() > 0
    assert IdMaker(lambda: datetime(2089, 1, 1, tzinfo=UTC)).next() < 2**63
    with pytest.raises(OverflowError):
        IdMaker(lambda: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=365 * 80)).next()
