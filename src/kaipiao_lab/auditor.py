"""An independent auditor of three books: the client's log of answers, the platform's ledger, the bureau's register.

It reads files and imports nothing of the platform. Money is compared as integer cents. An order travels to the bureau in
the remark, as `order:KEY`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path

ORDER_IN_REMARK = re.compile(r"order:([!-~]{1,128})")
NEGATIVE = frozenset({"rejected", "expired", "replaced", "cancelled"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a book. `cents`: 价税合计. `state`: the platform's word; None in the other books."""

    order: str
    number: str
    cents: int
    state: str | None = None


@dataclass(slots=True)
class Findings:
    """What the three books say together. Lists hold order keys, at most 20 each."""

    acknowledged: int = 0
    issued: int = 0
    confirmed: int = 0
    unknown: int = 0
    lost: int = 0
    doubled: int = 0
    believed_wrong: int = 0
    held: int = 0
    lost_orders: list[str] = field(default_factory=list)
    doubled_orders: list[str] = field(default_factory=list)
    wrong_orders: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def cents(amount: object) -> int:
    """'12.34' → 1234. Raises ValueError for anything that is not money with at most two decimals."""
    value = Decimal(str(amount)).scaleb(2)
    if value != value.to_integral_value():
        raise ValueError(f"not money: {amount!r}")
    return int(value)


def client_book(path: Path) -> Iterator[Entry]:
    """The client's log: one JSON object a line, fsynced when the answer arrived. A torn last line is no entry."""
    for row in _lines(path):
        yield Entry(str(row["order"]), str(row["number"]), cents(row["total"]))


def bureau_book(path: Path) -> Iterator[Entry]:
    """The bureau's exported register: number, total (价税合计), remark."""
    for row in _lines(path):
        found = ORDER_IN_REMARK.search(str(row.get("remark") or ""))
        yield Entry(found.group(1) if found else "", str(row["number"]), cents(row["total"]))


def our_book(path: Path) -> Iterator[Entry]:
    """The platform's export: order, number, total, state."""
    for row in _lines(path):
        yield Entry(str(row["order"]), str(row["number"] or ""), cents(row["total"]), str(row["state"]))


def our_database(path: Path) -> Iterator[Entry]:
    """The platform's embedded database, read with a query of the auditor's own (totals are cents there)."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        query = "SELECT client_order, number, total, state FROM invoice"
        for order, number, total, state in connection.execute(query):
            yield Entry(str(order), str(number or ""), int(total), str(state))
    finally:
        connection.close()


def our_postgresql(url: str) -> list[Entry]:
    """The platform's database where it is PostgreSQL, read with a query of the auditor's own (totals are cents there)."""
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415 — an extra

    async def read() -> list[Entry]:
        connection = await asyncpg.connect(url)
        try:
            rows = await connection.fetch("SELECT client_order, number, total, state FROM invoice")
        finally:
            await connection.close()
        return [Entry(r["client_order"], r["number"] or "", int(r["total"]), r["state"]) for r in rows]

    return asyncio.run(read())


def _lines(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            yield json.loads(line)


def compare(client: Iterable[Entry], ours: Iterable[Entry], bureau: Iterable[Entry]) -> Findings:
    """Lost: acknowledged, and missing here or there. Doubled: one order under two numbers, in any book. Believed wrong:
    our final word differs from what the bureau holds."""
    mine = list(ours)
    acknowledged, issued = _by_order(client), _by_order(mine)
    held = _by_order(_with_orders(bureau, mine))
    found = Findings(acknowledged=len(acknowledged), held=sum(len(v) for v in held.values()))
    everywhere: dict[str, set[str]] = defaultdict(set)
    for book in (acknowledged, issued, held):
        for order, entries in book.items():
            everywhere[order] |= {entry.number for entry in entries if entry.number}
    for order, numbers in everywhere.items():
        if len(numbers) > 1 and order:
            found.doubled += 1
            _note(found.doubled_orders, order)
    for order, entries in acknowledged.items():
        if not _holds(issued, entries) or not _holds(held, entries):
            found.lost += 1
            _note(found.lost_orders, order)
    _count_ours(found, issued, held)
    return found


def _count_ours(found: Findings, issued: dict[str, set[Entry]], held: dict[str, set[Entry]]) -> None:
    held_by_number = {entry.number: entry for entries in held.values() for entry in entries}
    for order, entries in issued.items():
        for entry in entries:
            found.issued += entry.number != ""
            found.confirmed += entry.state == "confirmed"
            found.unknown += entry.state == "unknown"
            if _is_wrong(entry, held_by_number.get(entry.number)):
                found.believed_wrong += 1
                _note(found.wrong_orders, order)


def _is_wrong(entry: Entry, theirs: Entry | None) -> bool:
    if entry.state == "confirmed":
        return theirs is None or theirs.cents != entry.cents or theirs.order != entry.order
    return entry.state in NEGATIVE and theirs is not None


def _with_orders(bureau: Iterable[Entry], mine: list[Entry]) -> Iterator[Entry]:
    """A remark that names no order is no contradiction: the order is then the one that we have under the number."""
    known = {entry.number: entry.order for entry in mine if entry.number}
    for entry in bureau:
        yield entry if entry.order else replace(entry, order=known.get(entry.number, ""))


def _holds(book: dict[str, set[Entry]], entries: set[Entry]) -> bool:
    """Does the book have every one of these, with the same number and amount?"""
    present = {(e.number, e.cents) for entry in entries for e in book.get(entry.order, set())}
    return all((entry.number, entry.cents) in present for entry in entries)


def _by_order(book: Iterable[Entry]) -> dict[str, set[Entry]]:
    grouped: dict[str, set[Entry]] = defaultdict(set)
    for entry in book:
        grouped[entry.order].add(entry)
    return grouped


def _note(orders: list[str], order: str) -> None:
    if len(orders) < 20:
        orders.append(order)
