"""The dated tables: what they hold, and that a wrong one is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from importlib.resources import files

import pytest

from kaipiao.errors import SettingsFault
from kaipiao.invoice.model import Kind
from kaipiao.invoice.tables import FILES, read_tables, tables


def _ours(name: str) -> bytes:
    return (files("kaipiao.invoice") / "data" / f"{name}.toml").read_bytes()


def _with(file: str, old: str, new: str) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        text = _ours(name).decode()
        if name == file:
            assert old in text
            text = text.replace(old, new, 1)
        return text.encode()

    return read


def test_every_table_is_there_and_says_to_which_day_it_was_kept() -> None:
    for name in FILES:
        assert b"as_of = 20" in _ours(name)
        assert "ource" in _ours(name).decode()
    assert set(tables().kinds) == set(Kind)
    assert sorted(tables().policies) == [f"{code:02d}" for code in range(1, 19)]
    assert len(tables().bureaus) == 31 + 5


@pytest.mark.parametrize(
    ("rate", "day", "rows"),
    [
        ("0.01", date(2022, 12, 31), 0),
        ("0.01", date(2023, 1, 1), 1),
        ("0.01", date(2027, 12, 31), 1),
        ("0.01", date(2028, 1, 1), 0),
        ("0.05", date(2025, 12, 31), 1),
        ("0.05", date(2028, 1, 1), 0),
        ("0.16", date(2026, 1, 1), 0),
        ("0.130000", date(2026, 1, 1), 1),
    ],
)
def test_rates_begin_and_end_on_their_day(rate: str, day: date, rows: int) -> None:
    assert len([row for row in tables().rates.get(Decimal(rate), ()) if row.holds_on(day)]) == rows


def test_since_2026_five_percent_is_for_old_real_estate_only() -> None:
    (row,) = (row for row in tables().rates[Decimal("0.05")] if row.holds_on(date(2026, 1, 1)))
    assert row.fits_code("5010000000000000000")
    assert not row.fits_code("3040803010000000000")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("rates", 'rate = "0.13"', 'rate = "13"'),
        ("rates", 'rate = "0.13"', 'rate = "NaN"'),
        ("rates", 'rate = "0.13"', 'rate = "dreizehn"'),
        ("rates", "valid_until = 2025-12-31", "valid_until = 2015-12-31"),
        ("rates", 'family = "rate"', 'family = "wrong"'),
        ("rates", 'taxpayers = ["1", "4"]', 'taxpayers = ["9"]'),
        ("rates", 'policies = ["03", "04"]', 'policies = ["03", "44"]'),
        ("rates", "valid_from", "valid_form"),
        ("policies", 'code = "02"', 'code = "01"'),
        ("policies", 'name = "免税"', "name = 3"),
        ("limits", "lines = 5000", "lines = 5000.5"),
        ("limits", 'sum_tax = "1.27"', ""),
        ("limits", "[counts]", "[counts"),
        ("kinds", 'id = "special"', 'id = "other"'),
        ("kinds", 'id = "special"', 'id = "general"'),
        ("regions", 'region = "12"', 'region = "11"'),
        ("regions", 'tag = "SWEI1100"', 'tag = "SWEI11"'),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused_by_name(file: str, old: str, new: str) -> None:
    with pytest.raises(SettingsFault) as refusal:
        read_tables(_with(file, old, new))
    assert refusal.value.facts["table"] == file
    assert f"{file}.toml" in refusal.value.detail.zh


def test_a_missing_or_undecodable_table_is_refused() -> None:
    def missing(name: str) -> bytes:
        raise FileNotFoundError(name)

    for read in (missing, lambda name: b"\xff"):
        with pytest.raises(SettingsFault):
            read_tables(read)
