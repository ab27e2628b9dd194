"""The pure parts of the PostgreSQL ledger."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.ledger.postgresql.limits import PoolLimits, fitted
from kaipiao.ledger.postgresql.patience import FLOOR, ConnectPatience
from kaipiao.ledger.postgresql.texts import original, stored


@given(st.text(st.sampled_from("\0\\0a文")))
def test_any_text_comes_back_and_never_holds_a_nul(text: str) -> None:
    assert original(stored(text)) == text
    assert "\0" not in stored(text)


def test_limits_that_fit_are_obeyed_without_a_word() -> None:
    assert fitted(PoolLimits(4, 50), 97, 4) == (PoolLimits(4, 50), [])


def test_limits_that_do_not_fit_are_cut_and_told_in_both_languages() -> None:
    limits, warnings = fitted(PoolLimits(256, 2048), 97, 4)
    assert limits == PoolLimits(4, 97)
    assert [w.setting for w in warnings] == ["db.pool_max", "db.pool_min"]
    assert all("97" in w.text.zh and "97" in w.text.en for w in warnings)


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000))
def test_there_are_always_enough_connections_for_the_lanes_and_a_reader(least: int, most: int, room: int) -> None:
    limits, _ = fitted(PoolLimits(least, most), room, 4)
    assert limits.most >= 5
    assert 0 <= limits.least <= limits.most


def test_patience_follows_what_connecting_takes_and_a_fifth_more() -> None:
    patience = ConnectPatience(30, 1.2)
    assert patience.seconds == 30
    patience.took(0.01)
    assert patience.seconds == FLOOR
    patience.took(5)
    assert patience.seconds == pytest.approx(6)
    patience.took(29)
    assert patience.seconds == 30


def test_patience_grows_after_a_time_out_and_forgets_what_is_long_past() -> None:
    patience = ConnectPatience(30, 1.2)
    patience.took(2)
    patience.ran_out()
    patience.ran_out()
    assert patience.seconds == pytest.approx(2 * 1.2**3)
    for _ in range(20):
        patience.took(0.1)
    assert patience.seconds == FLOOR
