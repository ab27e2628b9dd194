"""Contingency budgets: where each bound ends issuing, and what a table may say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import SHANGHAI, month_close
from kaipiao.errors import CannotIssue, SettingsFault
from kaipiao.issuing.budgets import Bound, Ended, Stock, ended, load, parse
from kaipiao.issuing.gate import Gate, Known
from kaipiao.ledger.memory import MemoryLedger

SELLER = "91440300MA5EXMPL17"
LEQI = Capabilities(True, 100, 5000, 600, 86400, 172800, 43200, 10, 600, 60)
TABLE = load()
BEGIN = datetime(2026, 12, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SHANGHAI).astimezone(UTC)  # type: ignore[arg-type, misc]


def at(instant: datetime, **known: object) -> list[Ended]:
    stock = replace(Stock(numbers=9, quota=Decimal(9)), **known)  # type: ignore[arg-type]
    return ended(TABLE.of("leqi", "general", SELLER), stock, instant)


def bounds(instant: datetime, **known: object) -> list[Bound]:
    return [end.budget.bound for end in at(instant, **known)]


def own(**fields: object) -> str:
    row = {"channel": "*", "invoice": "any", "bound": "numbers", "limit": 5, "action": "stop", "zh": "留", "en": "kept"}
    lines = (
        f"{k} = {str(v) if isinstance(v, int) else repr(v)}" for k, v in {**row, **fields}.items() if v is not None
    )
    return "dated = 2026-11-24\nsource = 'ours'\n[[budget]]\n" + "\n".join(lines)


def test_nothing_has_ended_while_there_is_stock_and_no_debt_whatever_the_clock_says() -> None:
    for instant in (local(2026, 12, 31, 23, 59, 59), local(2027, 1, 1), local(2027, 1, 13)):
        assert at(instant) == []


def test_the_48_hours_of_the_oldest_invoice_end_to_the_microsecond() -> None:
    made = local(2026, 11, 3, 10)
    end = made + timedelta(hours=48)
    assert bounds(end - MICROSECOND, debt=made) == []
    (found,) = at(end, debt=made)
    assert (found.budget.bound, found.since, found.unlocks) == (Bound.UPLOAD_WINDOW, end, "oldest_debt_settled")
    assert found.budget.stops
    assert found.unlocks_at is None, "no clock unlocks it"


@given(st.datetimes(datetime(2025, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC)))
def test_debt_of_a_month_ends_at_the_13th_of_the_next_at_midnight_in_shanghai(made: datetime) -> None:
    close = month_close(made)
    assert Bound.MONTH_CLOSE not in bounds(close - MICROSECOND, debt=made)
    assert Bound.MONTH_CLOSE in bounds(close, debt=made)
    shown = close.astimezone(SHANGHAI)
    assert (shown.day, shown.hour, shown.minute) == (13, 0, 0)
    months = (shown.year - made.astimezone(SHANGHAI).year) * 12 + shown.month - made.astimezone(SHANGHAI).month
    assert months == 1


def test_stock_that_is_used_up_and_stock_of_a_new_month_or_year_that_never_came_are_told_apart() -> None:
    now = local(2027, 1, 1)
    assert bounds(now, numbers=0) == [Bound.NUMBERS]
    assert bounds(now, numbers=0, pulled=False) == [Bound.YEAR_END]
    assert bounds(now, quota=Decimal(0)) == [Bound.QUOTA]
    assert bounds(now, quota=Decimal(0), downloaded=False) == [Bound.MONTH_END]
    assert bounds(now, quota_until=now) == [Bound.QUOTA_VALIDITY]
    assert bounds(now, quota_until=now + MICROSECOND) == []
    assert bounds(now, numbers=None, quota=None) == [], "what is not known has not ended"


def test_a_table_of_ones_own_may_keep_stock_end_early_and_name_a_taxpayer() -> None:
    early = own(bound="month_end", limit=3600, taxpayer=SELLER)
    table = load((own(limit=5, invoice="special"), "a"), (early, "b"))
    now = local(2026, 11, 30, 22)
    stock = Stock(numbers=5, quota=Decimal(1))
    assert [e.budget.bound for e in ended(table.of("leqi", "special", "x"), stock, now)] == [Bound.NUMBERS]
    assert ended(table.of("leqi", "general", "x"), stock, now) == []
    last_hour = now + timedelta(hours=1)
    assert ended(table.of("leqi", "general", SELLER), stock, last_hour - MICROSECOND) == []
    (found,) = ended(table.of("leqi", "general", SELLER), stock, last_hour)
    assert (found.since, found.unlocks_at) == (last_hour, local(2026, 12, 1))
    assert ended(table.of("leqi", "general", "x"), stock, last_hour) == []
    assert ended(table.of("leqi", "general", SELLER), stock, local(2026, 12, 1)) == [], "it goes on by itself"


def test_a_debt_that_is_late_may_be_said_only() -> None:
    table = load((own(bound="upload_window", limit=172800, action="warn"), "a"))
    made = local(2026, 11, 3)
    (found,) = ended(table.of("leqi", "general", SELLER), Stock(debt=made), made + timedelta(hours=49))
    assert not found.budget.stops


def test_a_table_may_lower_what_a_channel_allows_and_never_raise_it() -> None:
    TABLE.check({"leqi": LEQI})
    load((own(bound="upload_window", limit=3600), "a")).check({"leqi": LEQI})
    with pytest.raises(SettingsFault, match="172801"):
        load((own(bound="upload_window", limit=172801), "a")).check({"leqi": LEQI})
    with pytest.raises(SettingsFault):
        TABLE.check({"leqi": replace(LEQI, upload_window=3600)})


@pytest.mark.parametrize(
    "text",
    [
        "dated = ",
        "source = 'x'",
        "dated = 2026-11-24\nsource = 'x'\nbudget = 3",
        "dated = 2026-11-24\nsource = 'x'\nbudget = [3]",
        own(bound="moon"),
        own(limit=-1),
        own(limit="nan"),
        own(limit="1e99"),
        own(limit="much"),
        own(limit=None),
        own(action="shrug"),
        own(action="warn", limit=0),
        own(invoice="red"),
        own(zh=""),
        own(channel=3),
        own(extra=1),
    ],
)
def test_a_table_that_is_not_whole_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(SettingsFault, match=r"mine\.toml"):
        parse(text, "mine.toml")


def test_the_table_of_the_package_has_a_row_for_every_bound_a_date_and_a_source() -> None:
    assert {budget.bound for budget in TABLE.of("other", "special", "x")} == set(Bound)
    text = (files("kaipiao.issuing") / "data" / "contingency.toml").read_text("utf-8")
    assert "dated = 20" in text
    assert all(budget.why.zh and budget.why.en for budget in TABLE.of("leqi", "general", "x"))


@given(
    st.lists(st.tuples(st.integers(0, 40 * 24 * 60), st.sampled_from(["general", "special"])), min_size=1, max_size=12),
    st.one_of(st.none(), st.integers(-30 * 24 * 60, 20 * 24 * 60)),
    st.one_of(st.none(), st.integers(0, 40 * 24 * 60)),
    st.booleans(),
)
def test_the_gate_says_at_every_instant_what_judging_anew_would_say(
    orders: list[tuple[int, str]], debt: int | None, until: int | None, early: bool
) -> None:
    """It remembers until when nothing ends, instead of judging seven budgets for each order."""

    def after(minutes: int | None) -> datetime | None:
        return None if minutes is None else BEGIN + timedelta(minutes=minutes)

    table = load(*([(own(bound="month_end", limit=3600), "ours")] if early else []))
    stock = Stock(debt=after(debt), quota_until=after(until), numbers=5, quota=Decimal(5))
    gate = Gate(MemoryLedger("n1"), table, {"leqi": "leqi"})
    gate.known = Known({(SELLER, "leqi"): stock})
    for minutes, kind in orders:  # a clock may also go back
        at = BEGIN + timedelta(minutes=minutes)
        stops = [end for end in gate.ended(SELLER, "leqi", kind, at) if end.budget.stops]
        if stops:
            with pytest.raises(CannotIssue):
                gate.check(SELLER, "leqi", kind, at)
        else:
            gate.check(SELLER, "leqi", kind, at)
