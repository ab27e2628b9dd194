"""What `make drain` and `make recovery` work out from what they saw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kaipiao_lab import recovery
from kaipiao_lab.drain import deadline, out_of_order, sound

NOW = datetime(2026, 11, 3, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("arrived", "count"),
    [
        ([], 0),
        ([(at(1), at(10)), (at(2), at(11)), (at(3), at(11))], 0),
        ([(at(1), at(11)), (at(1), at(10))], 0),  # in one call
        ([(at(1), at(11)), (at(2), at(10))], 1),
        ([(at(1), at(12)), (at(2), at(10)), (at(2), at(11)), (at(3), at(12))], 2),
    ],
)
def test_out_of_order_is_what_came_in_a_later_call_than_one_with_a_later_deadline(
    arrived: list[tuple[datetime, datetime]], count: int
) -> None:
    assert out_of_order(arrived) == count


def test_the_deadline_is_48_hours_after_the_bureaus_own_instant_of_issue() -> None:
    assert deadline({"kprq": "2026-11-03 09:00:00"}) == NOW + timedelta(hours=48)


@pytest.mark.parametrize("change", [{"drained": 1}, {"late": 1}, {"out_of_order": 1}])
def test_a_drain_that_is_late_out_of_order_or_not_whole_is_not_sound(change: dict[str, int]) -> None:
    good = {"documents": 2, "drained": 2, "late": 0, "out_of_order": 0}
    assert sound(good)
    assert not sound({**good, **change})


def test_a_recovery_over_five_minutes_or_not_settled_is_not_sound() -> None:
    def of(worst: float, unsettled: int = 0) -> dict[str, Any]:
        part = {"normal": {"median": 1.0, "worst": worst}}
        return {"bureau_returns": part, "platform_killed": part, "unsettled": unsettled}

    assert recovery.sound(of(300.0))
    assert not recovery.sound(of(300.1))
    assert not recovery.sound(of(1.0, 1))
