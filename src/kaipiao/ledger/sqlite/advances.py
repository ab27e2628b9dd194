"""Conditional changes of invoices in SQLite."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.numbering import number_taken
from kaipiao.ledger.port import Advance
from kaipiao.ledger.rows import stored_value
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.transaction import Parameters, Transaction
from kaipiao.ledger.standing import Standing

_Key = tuple[str, int]  # taxpayer, invoice
_Change = tuple[tuple[str, ...], Parameters]  # columns, and the parameters of their `_update` but for the ids


def advance_all(transaction: Transaction, advances: Sequence[Advance]) -> list[bool]:
    """Apply each whose version holds. Raises `Internal` for what the lifecycle forbids: then none is applied."""
    round_ = _Round(transaction, advances)
    applied = [round_.advance(advance) for advance in advances]
    round_.write()
    return applied


class _Round:
    """Advances one after the other; those that set the same to invoices at the same version are written by one statement,
    as nearly all of one call are."""

    def __init__(self, transaction: Transaction, advances: Sequence[Advance]) -> None:
        self._transaction = transaction
        self._standing = _standing(transaction, advances)
        self._changes: defaultdict[_Change, list[int]] = defaultdict(list)
        self._changed: set[_Key] = set()

    def advance(self, advance: Advance) -> bool:
        key = (advance.taxpayer, advance.id)
        before = self._standing.get(key)
        if before is None or before.version != advance.version:
            return False
        after = before.after(advance)
        if after.number is not None and before.number is None:
            _take_number(self._transaction, advance.taxpayer, after.number, advance.id)
        if key in self._changed:  # changes of one invoice are written one after the other
            self.write()
        self._changed.add(key)
        self._changes[_change_of(advance)].append(advance.id)
        self._standing[key] = after
        if advance.event is not None:
            self._transaction.append(advance.event, before.invoice_of_event(advance))
        return True

    def write(self) -> None:
        for (columns, parameters), ids in self._changes.items():
            self._transaction.execute(_update(columns), (*parameters, json.dumps(ids)))
        self._changes.clear()
        self._changed.clear()


def _standing(transaction: Transaction, advances: Sequence[Advance]) -> dict[_Key, Standing]:
    ids: defaultdict[str, list[int]] = defaultdict(list)
    for advance in advances:
        ids[advance.taxpayer].append(advance.id)
    found: dict[_Key, Standing] = {}
    for taxpayer, wanted in ids.items():
        for identity, state, version, number, order in transaction.array(sql.STANDING, taxpayer, wanted):
            found[(taxpayer, identity)] = Standing(State(state), version, number, order)
    return found


def _change_of(advance: Advance) -> _Change:
    columns = tuple(sorted(advance.changes))
    values = [stored_value(column, advance.changes[column]) for column in columns]
    return columns, (str(advance.to), *values, advance.taxpayer, advance.version)


def _take_number(transaction: Transaction, taxpayer: str, number: str, invoice: int) -> None:
    """A number that came with the answer: nobody else's, and none of those that are handed out here."""
    taken = transaction.row(sql.NUMBER_OWNER, (taxpayer, number))
    if taken or transaction.row(sql.OWN_SEGMENT, (taxpayer, number, number)):
        raise number_taken(number)
    transaction.execute(sql.INSERT_NUMBER, (taxpayer, number, None, invoice))


@lru_cache(256)
def _update(columns: tuple[str, ...]) -> str:
    """The columns are names of `ADVANCE_COLUMNS`, checked before."""
    sets = "".join(f", {column} = ?" for column in columns)
    return f"""
UPDATE invoice SET state = ?, version = version + 1{sets}
WHERE taxpayer = ? AND version = ? AND id IN (SELECT value FROM json_each(?))
"""  # noqa: S608
