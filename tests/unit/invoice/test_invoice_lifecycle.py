"""The table of allowed transitions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.invoice.lifecycle import DEBT, FINAL_NEGATIVE, TRANSITIONS, State, allowed

ENDS = {State.REPLACED, State.CANCELLED}
RESTS = ENDS | {State.CONFIRMED}  # where an invoice stays, unless the bureau denies that it holds it


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_exactly_two_states_are_the_end_and_a_confirmed_invoice_can_only_be_asked_for_again() -> None:
    assert {state for state, after in TRANSITIONS.items() if not after} == ENDS
    assert TRANSITIONS[State.CONFIRMED] == {State.UNKNOWN}


def test_what_is_believed_final_never_goes_straight_back_to_the_wire() -> None:
    """But for what was refused and its cause mended outside of it."""
    assert [state for state in FINAL_NEGATIVE if State.UPLOADING in TRANSITIONS[state]] == []
    assert [state for state in FINAL_NEGATIVE if State.ISSUED in TRANSITIONS[state]] == [State.REJECTED]


def test_every_state_can_be_reached_from_the_two_beginnings() -> None:
    reached, waiting = set[State](), [State.ACCEPTED, State.ISSUED]
    while waiting:
        state = waiting.pop()
        if state not in reached:
            reached.add(state)
            waiting.extend(TRANSITIONS[state])
    assert reached == set(State)


def test_from_every_state_an_end_can_be_reached() -> None:
    good = set(RESTS)
    for _ in State:
        good |= {state for state, after in TRANSITIONS.items() if after & good}
    assert good == set(State)


def test_only_what_was_not_sent_can_be_cancelled() -> None:
    assert [state for state in State if allowed(state, State.CANCELLED)] == [State.ACCEPTED]


def test_only_a_final_negative_can_be_replaced() -> None:
    assert {state for state in State if allowed(state, State.REPLACED)} == FINAL_NEGATIVE - {State.REPLACED}


def test_the_answer_first_path_is_allowed() -> None:
    for path in (
        [State.ACCEPTED, State.UPLOADING, State.SUBMITTED, State.CONFIRMED],
        [State.ACCEPTED, State.UPLOADING, State.UNKNOWN, State.CONFIRMED],
    ):
        assert all(allowed(before, after) for before, after in pairwise(path))


@pytest.mark.parametrize("state", sorted(DEBT))
def test_a_debt_is_never_forgotten_without_an_answer(state: State) -> None:
    assert not allowed(state, State.CANCELLED)
    assert not allowed(state, State.REPLACED)


@given(st.lists(st.sampled_from(sorted(State)), max_size=30))
def test_no_walk_leaves_an_end(wishes: list[State]) -> None:
    state, ended = State.ACCEPTED, None
    for wish in wishes:
        state = wish if allowed(state, wish) else state
        ended = ended or (state if state in ENDS else None)
    assert ended is None or state is ended
