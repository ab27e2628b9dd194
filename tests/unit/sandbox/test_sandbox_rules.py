"""Pure parts: limiter, faults, tables, digests, clock."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kaipiao.authority.sandbox import data_tables, store
from kaipiao.authority.sandbox.bureau_clock import BureauClock, ClockChange
from kaipiao.authority.sandbox.faults import FAULTS, FaultBook
from kaipiao.authority.sandbox.filed import Filed, content_digest, read_filed
from kaipiao.authority.sandbox.form import Refusal
from kaipiao.authority.sandbox.limiter import Limiter
from kaipiao.authority.sandbox.settings import SandboxSettings
from kaipiao.errors import LedgerFault, SettingsFault


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = store.open_store(tmp_path / "b.sqlite")
    yield connection
    connection.close()


# --- limiter


def test_five_calls_a_second_and_each_taxpayer_for_itself() -> None:
    limiter = Limiter(5)
    assert [limiter.allows("a", 100.0) for _ in range(6)] == [True] * 5 + [False]
    assert limiter.allows("b", 100.0)
    assert limiter.allows("a", 100.2)
    assert not limiter.allows("a", 100.2)


def test_no_limit_when_the_rate_is_zero() -> None:
    limiter = Limiter(0)
    assert all(limiter.allows("a", 1.0) for _ in range(1000))


def test_a_clock_set_back_gives_no_calls_away() -> None:
    limiter = Limiter(1)
    assert limiter.allows("a", 1000.0)
    assert not limiter.allows("a", 10.0)
    assert limiter.allows("a", 11.0)


@given(st.lists(st.floats(0, 3), max_size=60))
def test_never_more_than_a_second_and_a_burst_allow(gaps: list[float]) -> None:
    limiter, now, allowed = Limiter(5), 0.0, 0
    for gap in gaps:
        now += gap
        allowed += limiter.allows("a", now)
    assert allowed <= 5 + 5 * now + 1e-6


# --- faults


def plans(db: sqlite3.Connection, turns: int = 200) -> list[bool]:
    book = FaultBook(db)
    return [book.plan("QDFPSC").strike is not None for _ in range(turns)]


def test_a_fault_strikes_about_as_often_as_its_probability(db: sqlite3.Connection) -> None:
    FaultBook(db).set(FAULTS.validate_python([{"kind": "lose", "probability": 0.3, "seed": 3}]))
    struck = plans(db, 1000)
    assert 230 < sum(struck) < 370


def test_a_seed_repeats_its_strikes_and_its_seconds(db: sqlite3.Connection) -> None:
    def run() -> list[float]:
        book = FaultBook(db)
        book.set(FAULTS.validate_python([{"kind": "late", "probability": 0.5, "seed": 9}]))
        found = [book.plan("QDFPSC").strike for _ in range(50)]
        return [strike.seconds for strike in found if strike is not None]

    first = run()
    assert run() == first
    assert all(10 <= seconds <= 300 for seconds in first)
    assert len(set(first)) > 10


def test_delays_add_up_beside_one_other_fault(db: sqlite3.Connection) -> None:
    book = FaultBook(db)
    delay = {"kind": "delay", "phase": "reading", "seconds": [2, 2]}
    book.set(FAULTS.validate_python([delay, delay, {"kind": "lose"}, {"kind": "hang"}]))
    plan = book.plan("QDFPSC")
    assert plan.delays == {"reading": 4.0}
    assert plan.is_("lose")


# --- tables


def test_the_shipped_companies_have_sound_tax_numbers() -> None:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    weights = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
    for company in data_tables.shipped_taxpayers():
        total = sum(alphabet.index(c) * w for c, w in zip(company.tax_number[:17], weights, strict=True))
        assert company.tax_number[17] == alphabet[(31 - total % 31) % 31]


def test_the_field_table_has_the_whole_upload() -> None:
    rules = data_tables.field_rules()
    assert sum(len(rows) for (service, _), rows in rules.items() if service == "QDFPSC") == 92
    head = {row.field for row in rules["QDFPSC", "head"] if row.required == "yes"}
    assert head == {
        "fphm", "lzfpbz", "ptbh", "fppz", "qyDm", "xsfnsrsbh", "xsfmc", "gmfmc", "hjje", "hjse", "jshj", "kpr", "ip",
        "macdz", "kprq",
    }  # fmt: skip


# --- content


def filed(**changes: Any) -> Filed:
    line = {
        "mxxh": 1, "xmmc": "b", "hwhyslwfwmc": "*a*b", "spfwjc": "a", "sl": "1", "dj": "100", "je": "100.00",
        "slv": "0.06", "se": "6.00", "hsje": "106.00", "sphfwssflhbbm": "3040203000000000000", "fphxz": "00",
    }  # fmt: skip
    head = {
        "fphm": "2", "lzfpbz": "0", "ptbh": "p", "fppz": "02", "qyDm": "1", "xsfnsrsbh": "s", "xsfmc": "s", "gmfmc": "b",
        "hjje": "100.00", "hjse": "6.00", "jshj": "106.00", "kpr": "k", "ip": "1", "macdz": "m",
        "kprq": "2026-01-01 00:00:00",
    }  # fmt: skip
    lines = [line | {name[5:]: value for name, value in changes.items() if name.startswith("line_")}]
    plain = {name: value for name, value in changes.items() if not name.startswith("line_")}
    result = read_filed(head | plain | {"fpmxList": lines})
    assert isinstance(result, Filed), result
    return result


@pytest.mark.parametrize(
    "same",
    [
        {"ip": "9"}, {"macdz": "x"}, {"kpr": "x"}, {"bz": "x"}, {"kprq": "2026-01-01 23:59:59"}, {"hjje": 100},
        {"hjje": "100"}, {"line_sl": 1}, {"line_sl": Decimal("1.000")}, {"line_slv": "0.0600"}, {"gmfnsrsbh": ""},
        {"gmfnsrsbh": None}, {"xsfdz": "x"},
    ],
)  # fmt: skip
def test_what_does_not_matter_for_tax_leaves_the_digest(same: dict[str, Any]) -> None:
    assert content_digest(filed(**same)) == content_digest(filed())


@pytest.mark.parametrize(
    "other",
    [
        {"fphm": "3"}, {"lzfpbz": "1"}, {"fppz": "01"}, {"xsfnsrsbh": "t"}, {"gmfnsrsbh": "x"}, {"gmfmc": "c"},
        {"hjje": "100.01"}, {"hjse": "6.01"}, {"jshj": "106.01"}, {"dylzfphm": "1"}, {"line_hwhyslwfwmc": "*a*c"},
        {"line_sphfwssflhbbm": "1"}, {"line_sl": "2"}, {"line_sl": ""}, {"line_dj": "99"}, {"line_je": "99.00"},
        {"line_slv": "0.03"}, {"line_se": "6.01"}, {"line_fphxz": "02"},
    ],
)  # fmt: skip
def test_what_matters_for_tax_changes_the_digest(other: dict[str, Any]) -> None:
    assert content_digest(filed(**other)) != content_digest(filed())


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(allow_nan=True),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(["fphm", "hjje", "kprq", "fpmxList", "gmfmc", "fjysList", "ownSeal", "lzfpbz"]), JUNK)
def test_no_value_of_a_field_breaks_the_reading(name: str, value: object) -> None:
    raw = dict(filed().raw) | {name: value}
    assert isinstance(read_filed(raw), Filed | Refusal)


@given(JUNK)
def test_nothing_breaks_the_reading(value: object) -> None:
    assert isinstance(read_filed(value), Refusal)


# --- clock and store


def test_the_clock_is_stored_and_goes_on(db: sqlite3.Connection) -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    clock = BureauClock(db, start, 1000.0)
    time.sleep(0.01)
    assert timedelta(seconds=9) < clock.now() - start < timedelta(seconds=3600)
    again = BureauClock(db, None, 1.0)
    assert again.function == clock.function


def test_a_change_of_speed_keeps_the_time_and_a_step_moves_it(db: sqlite3.Connection) -> None:
    clock = BureauClock(db, datetime(2030, 1, 1, tzinfo=UTC), 1.0)
    before = clock.now()
    clock.change(ClockChange(speed=0.001))
    assert abs((clock.now() - before).total_seconds()) < 5
    clock.change(ClockChange(advance=3600))
    assert 3590 < (clock.now() - before).total_seconds() < 3610
    clock.change(ClockChange(now=datetime(2031, 1, 1, tzinfo=UTC)))
    assert abs((clock.now() - datetime(2031, 1, 1, tzinfo=UTC)).total_seconds()) < 5
    assert clock.function.speed == 0.001


@pytest.mark.parametrize(
    "wish", [{"speed": 0}, {"speed": float("nan")}, {"advance": float("inf")}, {"now": "2030-01-01"}]
)
def test_a_senseless_change_of_the_clock_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClockChange.model_validate(wish)


def test_a_file_that_is_no_book_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.sqlite").write_bytes(b"this is no database, whatever its name says" * 50)
    with pytest.raises(LedgerFault):
        store.open_store(tmp_path / "b.sqlite")


def test_books_of_a_later_version_are_refused(db: sqlite3.Connection, tmp_path: Path) -> None:
    db.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerFault):
        store.open_store(tmp_path / "b.sqlite")


def test_books_are_written_through_to_the_disk(db: sqlite3.Connection) -> None:
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_transaction_that_fails_leaves_nothing(db: sqlite3.Connection) -> None:
    def fail() -> None:
        with store.transaction(db):
            db.execute("INSERT INTO meta VALUES ('a', 'b')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert db.execute("SELECT * FROM meta WHERE key = 'a'").fetchone() is None


@pytest.mark.parametrize(
    "wrong",
    [{"speed": 0}, {"rate_per_second": -1}, {"result_delay_seconds": (5, 1)}, {"start": datetime(2026, 1, 1)}],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsFault):
        SandboxSettings(tmp_path, **wrong)
