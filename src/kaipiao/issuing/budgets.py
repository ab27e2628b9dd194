"""Contingency budgets (R8): a table of limits, and what of it has ended. Pure.

A row may lower what the channel allows, never raise it; a table that does is refused at start-up.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from importlib.resources import files
from typing import Any

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import month_close, month_end, year_end
from kaipiao.errors import SettingsFault
from kaipiao.invoice.model import Kind
from kaipiao.language import Text

ANY_CHANNEL, ANY_INVOICE = "*", "any"


class Bound(StrEnum):
    """What ends issuing. Also the names of cover's bounds and of the rules of deadlines."""

    NUMBERS = "numbers"
    QUOTA = "quota"
    UPLOAD_WINDOW = "upload_window"
    QUOTA_VALIDITY = "quota_validity"
    MONTH_END = "month_end"
    MONTH_CLOSE = "month_close"
    YEAR_END = "year_end"


# A new sale would still be lawful there, so that the table may choose to warn only.
SOFT = frozenset({Bound.UPLOAD_WINDOW, Bound.MONTH_CLOSE})


@dataclass(frozen=True, slots=True)
class Budget:
    """One row. `limit`: seconds, numbers or CNY by `bound`, see data/contingency.toml."""

    bound: Bound
    limit: Decimal
    stops: bool
    channel: str
    invoice: str
    taxpayer: str | None
    why: Text

    def fits(self, channel: str, invoice: str, taxpayer: str) -> bool:
        return (
            self.channel in (ANY_CHANNEL, channel)
            and self.invoice in (ANY_INVOICE, invoice)
            and self.taxpayer in (None, taxpayer)
        )

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """The highest of those that fit counts."""
        return (self.taxpayer is not None, self.channel != ANY_CHANNEL, self.invoice != ANY_INVOICE)


@dataclass(frozen=True, slots=True)
class Stock:
    """What is known of one taxpayer on one channel; None: not known. `debt`: made_at of the oldest invoice that the bureau
    may still have to hear of. Stock that was never there (`pulled`, `downloaded`) ends by month or year."""

    debt: datetime | None = None
    quota_until: datetime | None = None
    numbers: int | None = None
    pulled: bool = True
    quota: Decimal | None = None
    downloaded: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """A budget that has ended. `since`: where it is a clock's instant. `unlocks`: a code of what lets issuing go on;
    `unlocks_at`: when, where that is a clock."""

    budget: Budget
    since: datetime | None = None
    unlocks_at: datetime | None = None

    @property
    def unlocks(self) -> str:
        return UNLOCKS[self.budget.bound]


# What lets issuing go on, by itself as soon as it is so.
UNLOCKS: Mapping[Bound, str] = {
    Bound.NUMBERS: "numbers_pulled",
    Bound.QUOTA: "quota_downloaded",
    Bound.UPLOAD_WINDOW: "oldest_debt_settled",
    Bound.QUOTA_VALIDITY: "quota_validity_adjusted",
    Bound.MONTH_END: "quota_of_new_month_downloaded",
    Bound.MONTH_CLOSE: "debt_of_closed_month_settled",
    Bound.YEAR_END: "numbers_of_new_year_pulled",
}


class BudgetTable:
    """The rows; for every bound one that fits anybody."""

    def __init__(self, rows: Iterable[Budget]) -> None:
        self._rows = sorted(rows, key=lambda row: row.rank, reverse=True)
        self._named = {row.taxpayer for row in self._rows}
        self._found: dict[tuple[str, str, str], tuple[Budget, ...]] = {}

    def own(self, taxpayer: str) -> str | None:
        """The taxpayer where a row names it. All others have the same budgets."""
        return taxpayer if taxpayer in self._named else None

    def of(self, channel: str, invoice: str, taxpayer: str) -> tuple[Budget, ...]:
        """The row of each bound that counts for these. `channel`: its kind; `invoice`: special or general."""
        key = (channel, invoice, taxpayer)
        if key not in self._found:
            best: dict[Bound, Budget] = {}
            for row in self._rows:
                if row.fits(*key):
                    best.setdefault(row.bound, row)
            self._found[key] = tuple(best[bound] for bound in Bound if bound in best)
        return self._found[key]

    def check(self, channels: Mapping[str, Capabilities]) -> None:
        """Raise `SettingsFault` for a row that would raise what a channel (by kind) allows."""
        for row in self._rows:
            for kind, capabilities in channels.items():
                if row.bound is Bound.UPLOAD_WINDOW and row.channel in (ANY_CHANNEL, kind):
                    _check_window(row, capabilities)

    def keeps_stock(self, channel: str, taxpayer: str) -> bool:
        """Whether some of its numbers or quota are to be left unused."""
        rows = (row for kind in Kind for row in self.of(channel, kind.value, taxpayer))
        return any(row.bound in (Bound.NUMBERS, Bound.QUOTA) and row.limit > 0 for row in rows)


def ended(budgets: Collection[Budget], stock: Stock, at: datetime) -> list[Ended]:
    """What of these has ended at this instant, those that stop first."""
    found = [end for budget in budgets if (end := _ended(budget, stock, at)) is not None]
    return sorted(found, key=lambda end: not end.budget.stops)


def _ended(budget: Budget, stock: Stock, at: datetime) -> Ended | None:
    if budget.bound in _CLOCKS:
        begin = _CLOCKS[budget.bound](budget, stock)
        return None if begin is None or at < begin else Ended(budget, begin)
    left, was_there = _LEFT[budget.bound](stock)
    if budget.bound in (Bound.NUMBERS, Bound.QUOTA):
        return Ended(budget) if left is not None and was_there and left <= budget.limit else None
    instant = month_end(at) if budget.bound is Bound.MONTH_END else year_end(at)
    if not was_there:
        return Ended(budget)
    begin = instant - _seconds(budget)
    return Ended(budget, begin, instant) if at >= begin else None


def next_end(budgets: Collection[Budget], stock: Stock, at: datetime) -> datetime:
    """Until when nothing but another stock can end what has not ended at this instant."""
    instants = {Bound.MONTH_END: month_end(at), Bound.YEAR_END: year_end(at)}
    ends = [instants[Bound.MONTH_END], instants[Bound.YEAR_END]]
    for budget in budgets:
        begin = _CLOCKS[budget.bound](budget, stock) if budget.bound in _CLOCKS else None
        if budget.bound in instants:
            begin = instants[budget.bound] - _seconds(budget)
        if begin is not None and begin > at:
            ends.append(begin)
    return min(ends)


def _seconds(budget: Budget) -> timedelta:
    return timedelta(seconds=float(budget.limit))


# When a clock's budget ends; None: it does not run.
_CLOCKS: Mapping[Bound, Callable[[Budget, Stock], datetime | None]] = {
    Bound.UPLOAD_WINDOW: lambda budget, stock: None if stock.debt is None else stock.debt + _seconds(budget),
    Bound.MONTH_CLOSE: lambda budget, stock: None if stock.debt is None else month_close(stock.debt) - _seconds(budget),
    Bound.QUOTA_VALIDITY: lambda budget, stock: (
        None if stock.quota_until is None else stock.quota_until - _seconds(budget)
    ),
}
# What is left, and whether anything of this year or month was ever there.
_LEFT: Mapping[Bound, Callable[[Stock], tuple[int | Decimal | None, bool]]] = {
    Bound.NUMBERS: lambda stock: (stock.numbers, stock.pulled),
    Bound.YEAR_END: lambda stock: (stock.numbers, stock.pulled),
    Bound.QUOTA: lambda stock: (stock.quota, stock.downloaded),
    Bound.MONTH_END: lambda stock: (stock.quota, stock.downloaded),
}


def load(*texts: tuple[str, str]) -> BudgetTable:
    """The table of the package, and further ones as (text, source), whose rows win where they are as specific. Raises
    `SettingsFault`."""
    packaged = (files("kaipiao.issuing") / "data" / "contingency.toml").read_text("utf-8")
    rows: list[Budget] = []
    for text, source in (*texts, (packaged, "contingency.toml")):
        rows += parse(text, source)
    return BudgetTable(rows)


def parse(text: str, source: str) -> list[Budget]:
    """The rows of one table. Raises `SettingsFault` that names the row and what is wrong with it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise _wrong(source, Text(f"无法读取：{broken}", f"it cannot be read: {broken}")) from broken
    if not isinstance(table.get("dated"), date) or not isinstance(table.get("source"), str):
        raise _wrong(source, Text("缺少 dated 或 source", "`dated` or `source` is missing"))
    rows = table.get("budget", [])
    if not isinstance(rows, list):
        raise _wrong(source, Text("budget 须为表的数组", "`budget` must be an array of tables"))
    return [_row(row, f"{source}, budget {n}") for n, row in enumerate(rows, 1)]


def _row(row: Any, place: str) -> Budget:
    allowed = {"channel", "invoice", "taxpayer", "bound", "limit", "action", "zh", "en"}
    if not isinstance(row, dict) or set(row) - allowed or (allowed - {"taxpayer"}) - set(row):
        raise _wrong(place, Text("字段不全或有多余的字段", "fields are missing or unknown"))
    try:
        bound, limit = Bound(row["bound"]), Decimal(str(row["limit"]))
    except (ValueError, InvalidOperation) as broken:
        raise _wrong(place, Text("bound 或 limit 有误", "`bound` or `limit` is wrong")) from broken
    if isinstance(row["limit"], bool) or not limit.is_finite() or limit < 0 or limit > 10**12:
        raise _wrong(place, Text("limit 须为 0 或以上的数", "`limit` must be a number from 0 on"))
    if row["invoice"] not in (ANY_INVOICE, *(kind.value for kind in Kind)) or row["action"] not in ("stop", "warn"):
        raise _wrong(place, Text("invoice 或 action 有误", "`invoice` or `action` is wrong"))
    if not all(isinstance(row[name], str) and row[name] for name in ("channel", "zh", "en")):
        raise _wrong(place, Text("channel、zh、en 须为文字", "`channel`, `zh` and `en` must be texts"))
    if row["action"] == "warn" and bound not in SOFT and not limit:
        raise _wrong(
            place, Text(f"{bound} 到此不能再开，不能只提醒", f"nothing can be issued after {bound}: warn is not enough")
        )
    why = Text(row["zh"], row["en"])
    return Budget(bound, limit, row["action"] == "stop", row["channel"], row["invoice"], row.get("taxpayer"), why)


def _check_window(row: Budget, capabilities: Capabilities) -> None:
    if row.limit > Decimal(str(capabilities.upload_window)):
        allowed = f"{capabilities.upload_window:.0f}"
        raise _wrong(
            "contingency.toml",
            Text(
                f"upload_window {row.limit} 秒超过通道的 {allowed} 秒",
                f"upload_window {row.limit} s is over the channel's {allowed} s",
            ),
        )


def _wrong(place: str, what: Text) -> SettingsFault:
    return SettingsFault(Text(f"应急预算表 {place}：{what.zh}", f"table of contingency budgets, {place}: {what.en}"))
