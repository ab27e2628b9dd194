"""Quota in SQLite."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from kaipiao.errors import QuotaExhausted
from kaipiao.ledger.changes import cents, defect, money, positive
from kaipiao.ledger.numbering import contradiction, unasked
from kaipiao.ledger.port import QuotaAccount, QuotaRequest
from kaipiao.ledger.rows import instant
from kaipiao.ledger.sqlite import statements as sql
from kaipiao.ledger.sqlite.handle import Handle
from kaipiao.ledger.sqlite.transaction import Transaction
from kaipiao.ledger.trail import microseconds

_Place = tuple[str, str, str]  # taxpayer, channel, month


class Quotas(Handle):
    """The quota operations of the port."""

    async def open_quota_request(self, request: QuotaRequest, at: datetime) -> QuotaRequest:
        return await self._write(lambda transaction: _request(transaction, request, at))

    async def fill_quota(
        self,
        taxpayer: str,
        serial: str,
        amount: Decimal,
        valid_from: datetime,
        valid_until: datetime,
        at: datetime,
    ) -> None:
        validity = (microseconds(valid_from), microseconds(valid_until))
        answered = cents(positive(amount))
        await self._write(lambda transaction: _fill(transaction, taxpayer, serial, answered, validity, at))

    async def quota(self, taxpayer: str, channel: str, month: str) -> QuotaAccount:
        row = await self._read(lambda c: c.execute(sql.ACCOUNT, (taxpayer, channel, month)).fetchone())
        down, back, issued, left, valid_from, valid_until = row or (0, 0, 0, 0, None, None)
        return QuotaAccount(
            money(down), money(back), money(issued), money(left), instant(valid_from), instant(valid_until)
        )


def _request(transaction: Transaction, request: QuotaRequest, at: datetime) -> QuotaRequest:
    place = (request.taxpayer, request.channel, request.month)
    kind = "return" if request.returning else "download"
    found: Any = transaction.row(sql.OPEN_QUOTA, (*place, kind))
    if found is not None:
        return QuotaRequest(*place, found[0], money(found[1]), request.returning)
    asked = cents(request.amount)
    if asked <= 0:
        raise defect("额度须为正", "A request of quota must be positive")
    if transaction.row(sql.QUOTA_REQUEST, (request.taxpayer, request.serial)):
        raise contradiction("额度流水号重复", "A serial of quota is used twice", serial=request.serial)
    if request.returning:
        _book_return(transaction, place, asked)
    transaction.execute(sql.INSERT_QUOTA_REQUEST, (*place, kind, request.serial, asked, microseconds(at)))
    return request


def _fill(
    transaction: Transaction, taxpayer: str, serial: str, answered: int, validity: tuple[int, int], at: datetime
) -> None:
    found: Any = transaction.row(sql.QUOTA_REQUEST, (taxpayer, serial))
    if found is None:
        raise unasked(serial)
    channel, month, kind, asked, known = found
    if known is not None:
        if known != answered:
            raise contradiction("同一流水号两次答复不同", "One serial, two different answers", serial=serial)
        return
    place = (taxpayer, channel, month)
    if kind == "return":
        _book_return(transaction, place, answered - asked)
    else:
        transaction.execute(sql.OPEN_ACCOUNT, place)
        transaction.execute(sql.BOOK_DOWNLOAD, (answered, answered, *validity, *place))
    transaction.execute(sql.FILL_QUOTA, (answered, microseconds(at), taxpayer, serial))


def _book_return(transaction: Transaction, place: _Place, amount: int) -> None:
    """Less is left by `amount`; a negative one undoes what the bureau did not take back."""
    account: Any = transaction.row(sql.ACCOUNT, place)
    if amount > (account[3] if account else 0):
        raise QuotaExhausted()
    transaction.execute(sql.BOOK_RETURN, (amount, amount, *place))
