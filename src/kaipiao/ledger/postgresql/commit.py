"""The commit: it took place, or it surely did not, or nobody knows. Nothing in between is ever guessed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from kaipiao.errors import LedgerFault, OutcomeUnknown
from kaipiao.language import Text
from kaipiao.ledger.postgresql.faults import DATABASE_ERRORS, code_of, surely_not_committed
from kaipiao.ledger.postgresql.partitions import Months, MonthsMissing
from kaipiao.ledger.postgresql.session import Session
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.trail import ChainTip

T = TypeVar("T")


async def alone(session: Session, statement: str, parameters: tuple[object, ...]) -> Any:
    """A statement that is a commit of its own: its first value. Raises database errors when surely nothing was stored,
    `OutcomeUnknown` when nobody knows."""
    return await _heard(session, lambda: session.connection.fetchval(statement, *parameters))


async def transacted(
    session: Session, tip: ChainTip, months: Months, work: Callable[[Transaction], Awaitable[T]]
) -> tuple[T, ChainTip]:
    """Run `work` between BEGIN and COMMIT; its result and the chain's new tip. Raises database errors, `TipMoved`,
    `MonthsMissing` and what `work` raises when surely nothing was stored, `OutcomeUnknown` when nobody knows."""
    await session.connection.execute("BEGIN")
    transaction = Transaction(session.connection, tip)
    try:
        result = await work(transaction)
        if missing := months.missing((), transaction.events.instants):
            raise MonthsMissing(missing)
        await transaction.store_events()
    except BaseException:
        await _roll_back(session)
        raise
    status = await _heard(session, lambda: session.connection.execute("COMMIT"))
    if status != "COMMIT":
        raise LedgerFault(Text("事务已被回滚", "The transaction was rolled back"), reason=status)
    return result, transaction.events.tip


async def _heard(session: Session, commit: Callable[[], Awaitable[Any]]) -> Any:
    session.listen()
    try:
        answer = await commit()
    except Exception as error:  # every kind: only what is sure to have stored nothing may be told as a failure
        if surely_not_committed(error):
            raise
        raise OutcomeUnknown(reason=code_of(error) or type(error).__name__) from error
    if session.doubt is not None:
        raise OutcomeUnknown(reason=session.doubt)
    return answer


async def _roll_back(session: Session) -> None:
    """What cannot be rolled back is cut off: the server then does it."""
    try:
        if not session.broken:
            await session.connection.execute("ROLLBACK")
    except DATABASE_ERRORS:
        session.abort()
