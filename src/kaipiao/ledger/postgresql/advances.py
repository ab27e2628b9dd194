"""Conditional changes of invoices in PostgreSQL: read and locked at once; those that set the same columns, as nearly all of one
call do, are written by one statement, and what they set alike is sent once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.numbering import number_taken
from kaipiao.ledger.port import Advance
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.rows import columns, stored_value
from kaipiao.ledger.postgresql.texts import original
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.standing import Standing

_Key = tuple[str, int]  # taxpayer, invoice
_Columns = tuple[str, ...]
_TYPES = {
    **dict.fromkeys(("next_at", "deadline", "submitted_at", "sent_at", "accepted_at", "unknown_since"), "bigint"),
    **dict.fromkeys(("denials", "late_denials", "alarmed"), "integer"),
    **dict.fromkeys(("doubt", "refused", "alone"), "boolean"),
}  # text where it does not say


async def advance_all(transaction: Transaction, advances: Sequence[Advance]) -> list[bool]:
    """Apply each whose version holds. Raises `Internal` for what the lifecycle forbids: then none is applied."""
    if not advances:
        return []
    round_ = _Round(transaction, await _standing(transaction, advances))
    applied = [await round_.advance(advance) for advance in advances]
    await round_.write()
    return applied


class _Round:
    """Advances one after the other."""

    def __init__(self, transaction: Transaction, standing: dict[_Key, Standing]) -> None:
        self._transaction = transaction
        self._standing = standing
        self._changes: defaultdict[_Columns, list[list[object]]] = defaultdict(list)
        self._changed: set[_Key] = set()

    async def advance(self, advance: Advance) -> bool:
        key = (advance.taxpayer, advance.id)
        before = self._standing.get(key)
        if before is None or before.version != advance.version:
            return False
        after = before.after(advance)
        if after.number is not None and before.number is None:
            await _take_number(self._transaction, advance.taxpayer, after.number, advance.id)
        if key in self._changed:  # changes of one invoice are written one after the other
            await self.write()
        self._changed.add(key)
        self._note(advance)
        self._standing[key] = after
        self._transaction.moves.move(advance.taxpayer, before.state, after.state)
        if advance.event is not None:
            self._transaction.append(advance.event, before.invoice_of_event(advance))
        return True

    def _note(self, advance: Advance) -> None:
        names = tuple(sorted(advance.changes))
        values = [stored_value(name, advance.changes[name]) for name in names]
        self._changes[names].append([advance.id, advance.taxpayer, str(advance.to), *values])

    async def write(self) -> None:
        for names, rows in self._changes.items():
            ids, *lists = (list(column) for column in zip(*rows, strict=True))
            same = tuple(len(set(values)) == 1 for values in lists)
            given = [values[0] if one else values for values, one in zip(lists, same, strict=True)]
            await self._transaction.execute(_update(("taxpayer", "state", *names), same), ids, *given)
        self._changes.clear()
        self._changed.clear()


async def _standing(transaction: Transaction, advances: Sequence[Advance]) -> dict[_Key, Standing]:
    """The invoices as they stand, locked in one order for everybody."""
    keys = sorted({(advance.taxpayer, advance.id) for advance in advances})
    found: dict[_Key, Standing] = {}
    for taxpayer, identity, state, version, number, order in await transaction.rows(sql.STANDING, *columns(keys, 2)):
        found[(taxpayer, identity)] = Standing(State(state), version, number, original(order))
    return found


async def _take_number(transaction: Transaction, taxpayer: str, number: str, invoice: int) -> None:
    """A number that came with the answer: nobody else's, and none of those that are handed out here."""
    key = (taxpayer, number)
    if await transaction.value(sql.NUMBER_OWNER, *key) or await transaction.value(sql.OWN_SEGMENT, *key):
        raise number_taken(number)
    await transaction.execute(sql.INSERT_NUMBER, *key, invoice)


@lru_cache(256)
def _update(names: _Columns, same: tuple[bool, ...]) -> str:
    """$1 the ids, then a value or a list of each column, the taxpayer first. They are names of `ADVANCE_COLUMNS`, checked
    before; the rows are locked and their versions compared."""
    lists, listed, values = ["$1::bigint[]"], ["id"], {}
    for place, (column, one) in enumerate(zip(names, same, strict=True), 2):
        kind = _TYPES.get(column, "text")
        values[column] = f"${place}::{kind}" if one else f"w.{column}"
        if not one:
            lists.append(f"${place}::{kind}[]")
            listed.append(column)
    del values["taxpayer"]
    sets = ", ".join(f"{column} = {value}" for column, value in values.items())
    rows = f"FROM unnest({', '.join(lists)}) AS w ({', '.join(listed)})"
    if same[0]:
        return f"UPDATE invoice AS i SET version = i.version + 1, {sets} {rows} WHERE i.taxpayer = $2 AND i.id = w.id"  # noqa: S608
    return (
        f"UPDATE invoice AS i SET version = i.version + 1, {sets} {rows} WHERE i.taxpayer = w.taxpayer AND i.id = w.id"  # noqa: S608
    )
