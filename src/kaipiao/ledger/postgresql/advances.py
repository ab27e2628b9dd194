"""Conditional changes of invoices in PostgreSQL: all of a call by one reading and one writing statement."""

from __future__ import annotations

from collections.abc import Sequence

from kaipiao.ledger.changes import advanced
from kaipiao.ledger.numbering import number_taken
from kaipiao.ledger.port import Advance, InvoiceRecord
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.rows import advance_row, columns, record_of
from kaipiao.ledger.postgresql.transaction import Transaction

_Key = tuple[str, int]


async def advance_all(transaction: Transaction, advances: Sequence[Advance]) -> list[bool]:
    """Apply each whose version holds. Raises `Internal` for what the lifecycle forbids: then none is applied."""
    if not advances:
        return []
    standing = await _standing(transaction, advances)
    changed: dict[_Key, InvoiceRecord] = {}
    results = []
    for advance in advances:
        key = (advance.taxpayer, advance.id)
        record = changed.get(key) or standing.get(key)
        holds = record is not None and record.version == advance.version
        results.append(holds)
        if record is None or not holds:
            continue
        changed[key] = after = advanced(record, advance)
        transaction.moves.move(after.taxpayer, record.state, after.state)
        if after.number is not None and record.number is None:
            await _take_number(transaction, after.taxpayer, after.number, after.id)
        of_order = (advance.event.taxpayer, advance.event.subject) == (record.taxpayer, record.order)
        transaction.append(advance.event, advance.id if of_order else None)
    if changed:
        await transaction.execute(sql.ADVANCE, *columns([advance_row(r) for r in changed.values()], 21))
    return results


async def _standing(transaction: Transaction, advances: Sequence[Advance]) -> dict[_Key, InvoiceRecord]:
    """The invoices as they stand, locked; without their content."""
    keys = sorted({(advance.taxpayer, advance.id) for advance in advances})
    found = await transaction.rows(sql.LOCK_STANDING, *columns(keys, 2))
    return {(row[1], row[0]): record_of(row) for row in found}


async def _take_number(transaction: Transaction, taxpayer: str, number: str, invoice: int) -> None:
    """A number that came with the answer: nobody else's, and none of those that are handed out here."""
    key = (taxpayer, number)
    if await transaction.value(sql.NUMBER_OWNER, *key) or await transaction.value(sql.OWN_SEGMENT, *key):
        raise number_taken(number)
    await transaction.execute(sql.INSERT_NUMBER, *key, invoice)
