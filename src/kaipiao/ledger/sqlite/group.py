"""One group of operations in one commit: whatever queued while the last commit ran.

Every operation runs in a savepoint of its own. When the group as a whole fails and surely nothing of it was committed,
its operations are tried again one by one, so that one that cannot be done harms no other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby

from kaipiao.errors import LedgerFault, OutcomeUnknown
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.files import fault_of, surely_not_committed
from kaipiao.ledger.sqlite.operation import Operation
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import ChainTip


class CommitInDoubt(Exception):
    """A COMMIT failed in a way that may have left it on the disk."""


def commit_group(connection: sqlite3.Connection, tip: ChainTip, operations: Sequence[Operation]) -> ChainTip:
    """Run and commit the operations, setting each one's result or error. Returns the chain's new tip.

    Raises `CommitInDoubt`, with `OutcomeUnknown` set on every operation whose fate it is.
    """
    try:
        return _commit(connection, tip, operations)
    except sqlite3.Error as error:
        if len(operations) == 1:
            operations[0].error = operations[0].error or fault_of(error)
            return tip
    return _singly(connection, tip, operations)


def _singly(connection: sqlite3.Connection, tip: ChainTip, operations: Sequence[Operation]) -> ChainTip:
    for done, operation in enumerate(operations, start=1):
        operation.error = None
        try:
            tip = commit_group(connection, tip, [operation])
        except CommitInDoubt:
            for later in operations[done:]:
                later.error = LedgerFault()
            raise
    return tip


def _commit(connection: sqlite3.Connection, tip: ChainTip, operations: Sequence[Operation]) -> ChainTip:
    """Raises `sqlite3.Error` when surely nothing was committed."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(connection, tip)
        for batch in _batches(operations):
            _run_batch(transaction, batch)
            if not connection.in_transaction:
                raise sqlite3.OperationalError("the transaction was rolled back by SQLite")
        if transaction.tip != tip:
            transaction.execute(sql.SAVE_TIP, (tip.writer, transaction.tip.sequence, transaction.tip.hash))
        _finish(connection, operations)
        return transaction.tip
    except CommitInDoubt:
        raise
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _finish(connection: sqlite3.Connection, operations: Sequence[Operation]) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if surely_not_committed(error):
            raise
        for operation in operations:
            if operation.error is None:
                operation.error = OutcomeUnknown(reason=getattr(error, "sqlite_errorname", "COMMIT"))
        raise CommitInDoubt from error


def _batches(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Neighbours that can be done together, and all others singly."""
    for together, neighbours in groupby(operations, key=lambda operation: operation.together):
        if together is not None:
            yield list(neighbours)
        else:
            for operation in neighbours:
                yield [operation]


def _run_batch(transaction: Transaction, batch: list[Operation]) -> None:
    if len(batch) > 1 and _run_together(transaction, batch):
        return
    for operation in batch:
        try:
            operation.result = transaction.run(operation.work)
        except Exception as error:  # every kind: it belongs to the one who asked, and the writer must live
            operation.error = fault_of(error)


def _run_together(transaction: Transaction, batch: list[Operation]) -> bool:
    """Whether the batch could be done as one."""
    together = batch[0].together
    items = [item for operation in batch for item in operation.items]
    if together is None:
        return False
    try:
        results = transaction.run(lambda t: together(t, items))
    except Exception:  # told to its owner when it comes again singly
        return False
    for operation in batch:
        size = len(operation.items)
        operation.result, results = results[:size], results[size:]
    return True
