"""What the proof of cover calls sound, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaipiao.issuing.budgets import Bound
from kaipiao_lab.cover.latency import Measured
from kaipiao_lab.cover.stops import STEPS, Stop

SAID = {"code": "KP-ISSUE-02", "detail": "…", "next_step": "…", "bound": "quota", "unlocks": "quota_downloaded"}
STOP = Stop("quota", 503, SAID, went_on=True)


def measured(before: float, away: float, refused: int = 0, left_open: int = 0) -> Measured:
    return Measured({"before": [before] * 200, "killed_3h": [away] * 200}, refused, left_open)


def test_an_outage_at_the_usual_speed_is_sound() -> None:
    assert measured(20.0, 24.0).sound()


@pytest.mark.parametrize(
    "slow", [measured(20.0, 24.1), measured(190.0, 201.0), measured(20.0, 20.0, 1), measured(20.0, 20.0, 0, 1)]
)
def test_a_slower_outage_a_refusal_or_a_sale_left_open_is_not(slow: Measured) -> None:
    assert not slow.sound()


def test_one_slow_outage_of_several_is_not_hidden_by_the_others() -> None:
    both = measured(20.0, 20.0)
    both.milliseconds["refusing_20h"] = [20.0] * 150 + [90.0] * 50
    assert not both.sound()


def test_a_stop_that_names_its_bound_and_what_unlocks_it_is_sound() -> None:
    assert STOP.sound()


@pytest.mark.parametrize(
    "wrong",
    [
        replace(STOP, status=201),
        replace(STOP, bound="numbers"),
        replace(STOP, went_on=False),
        *(replace(STOP, said={k: v for k, v in SAID.items() if k != name}) for name in SAID),
    ],
)
def test_a_stop_of_another_bound_without_words_or_without_an_end_is_not(wrong: Stop) -> None:
    assert not wrong.sound()


def test_every_bound_of_the_table_of_budgets_is_driven_to_its_end() -> None:

    assert {step.__name__ for step in STEPS} == {bound.value for bound in Bound}
