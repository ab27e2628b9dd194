"""What sources of time say together, and when nothing is issued by our clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.clock import SHANGHAI
from kaipiao.errors import ClockUnsound
from kaipiao.issuing.clock_gate import ClockGate, ClockLimits, ClockStanding, Reading, agree

NOON = datetime(2026, 3, 17, 4, tzinfo=UTC)


def around(name: str, ahead: float, room: float = 0.05) -> Reading:
    return Reading(name, ahead - room, ahead + room)


def test_two_that_agree_outvote_one_that_lies() -> None:
    standing = agree([around("a", 0.01), around("b", 0.02), around("liar", 3600)])
    assert standing.agreeing == ("a", "b")
    assert standing.dissenting == ("liar",)
    assert standing.skew == 0.0


def test_of_two_that_contradict_each_other_nothing_follows() -> None:
    standing = agree([around("a", 0.0), around("b", 9.0)])
    assert standing.skew is None
    assert standing.dissenting == ("a", "b")


def test_nobody_says_nothing() -> None:
    assert agree([]) == ClockStanding()


@given(
    st.floats(-1e5, 1e5),
    st.lists(st.floats(0.001, 5), min_size=1, max_size=6),
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0.001, 5)), max_size=5),
)
def test_when_most_are_honest_the_truth_is_within_what_they_say_together(
    truth: float, honest: list[float], liars: list[tuple[float, float]]
) -> None:
    liars = liars[: max(0, len(honest) - 1)]
    readings = [Reading(f"h{n}", truth - room, truth + room) for n, room in enumerate(honest)]
    readings += [around(f"l{n}", ahead, room) for n, (ahead, room) in enumerate(liars)]
    standing = agree(readings)
    assert standing.low is not None
    assert standing.high is not None
    assert standing.low <= standing.high
    if not liars:
        assert standing.low <= truth <= standing.high
        assert abs(standing.skew or 0.0) <= abs(truth)


def gate(low: float, high: float) -> ClockGate:
    made = ClockGate(ClockLimits(warn=0.2, lead=5.0, lag=300.0))
    made.standing = ClockStanding(low, high, ("a", "b"))
    return made


def test_before_anybody_speaks_everything_passes() -> None:
    made = ClockGate()
    made.check(NOON)
    assert not made.warns
    assert not made.stops


@pytest.mark.parametrize(
    ("low", "high", "warns", "stops"),
    [
        (-0.1, 0.1, False, False),
        (0.19, 0.5, False, False),  # it may still be within 200 ms
        (0.21, 0.5, True, False),
        (-0.5, -0.21, True, False),
        (4.9, 9.0, True, False),
        (5.1, 9.0, True, True),
        (-299.0, -298.0, True, False),
        (-400.0, -301.0, True, True),
        (-400.0, 0.0, False, False),  # nobody knows better
    ],
)
def test_it_warns_and_stops_only_for_what_is_certain(low: float, high: float, warns: bool, stops: bool) -> None:
    made = gate(low, high)
    assert made.warns is warns
    assert made.stops is stops
    if stops:
        with pytest.raises(ClockUnsound) as refused:
            made.check(NOON)
        assert refused.value.code == "KP-ISSUE-04"
        assert refused.value.facts["sources"] == ["a", "b"]
    else:
        made.check(NOON)


@pytest.mark.parametrize("turn", [datetime(2026, 4, 1, tzinfo=SHANGHAI), datetime(2027, 1, 1, tzinfo=SHANGHAI)])
@pytest.mark.parametrize(("skew", "refused_from", "refused_until"), [(2.0, 0.0, 2.0), (-90.0, -90.0, 0.0)])
def test_near_a_turn_of_the_month_a_known_skew_holds_until_the_month_is_certain(
    turn: datetime, skew: float, refused_from: float, refused_until: float
) -> None:
    made = gate(skew, skew + 0.01) if skew > 0 else gate(skew - 0.01, skew)
    for seconds in (refused_from + 0.001, (refused_from + refused_until) / 2, refused_until - 0.02):
        with pytest.raises(ClockUnsound):
            made.check(turn + timedelta(seconds=seconds))
    made.check(turn + timedelta(seconds=refused_from - 0.1))
    made.check(turn + timedelta(seconds=refused_until + 0.1))
