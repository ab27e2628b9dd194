"""Conditional changes of invoices in SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import check_advance
from kaipiao.ledger.numbering import number_taken
from kaipiao.ledger.port import Advance
from kaipiao.ledger.rows import stored_value
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.transaction import Transaction


def advance_all(transaction: Transaction, advances: Sequence[Advance]) -> list[bool]:
    """Apply each whose version holds. Raises `Internal` for what the lifecycle forbids: then none is applied."""
    return [_advance(transaction, advance) for advance in advances]


def _advance(transaction: Transaction, advance: Advance) -> bool:
    key = (advance.taxpayer, advance.id)
    found: Any = transaction.row(sql.STANDING, key)
    if found is None or found[1] != advance.version:
        return False
    state, _, number, order = found
    check_advance(State(state), number, advance)
    if number is None and (given := advance.changes.get("number")) is not None:
        _take_number(transaction, advance.taxpayer, str(given), advance.id)
    columns = tuple(sorted(advance.changes))
    values = [stored_value(column, advance.changes[column]) for column in columns]
    transaction.execute(_update(columns), (str(advance.to), *values, *key, advance.version))
    event = advance.event
    of_order = (event.taxpayer, event.subject) == (advance.taxpayer, order)
    transaction.append(event, advance.id if of_order else None)
    return True


def _take_number(transaction: Transaction, taxpayer: str, number: str, invoice: int) -> None:
    """A number that came with the answer: nobody else's, and none of those that are handed out here."""
    taken = transaction.row(sql.NUMBER_OWNER, (taxpayer, number))
    if taken or transaction.row(sql.OWN_SEGMENT, (taxpayer, number, number)):
        raise number_taken(number)
    transaction.execute(sql.INSERT_NUMBER, (taxpayer, number, None, invoice))


@lru_cache(256)
def _update(columns: Iterable[str]) -> str:
    """The columns are names of `ADVANCE_COLUMNS`, checked before."""
    sets = "".join(f", {column} = ?" for column in columns)
    return f"UPDATE invoice SET state = ?, version = version + 1{sets} WHERE taxpayer = ? AND id = ? AND version = ?"  # noqa: S608
