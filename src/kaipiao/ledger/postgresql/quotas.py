"""Quota in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from kaipiao.errors import QuotaExhausted
from kaipiao.ledger.changes import cents, defect, money, positive
from kaipiao.ledger.numbering import contradiction, unasked
from kaipiao.ledger.port import QuotaAccount, QuotaRequest
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.handle import Handle
from kaipiao.ledger.postgresql.transaction import Transaction
from kaipiao.ledger.rows import instant
from kaipiao.ledger.trail import microseconds

_Place = tuple[str, str, str]  # taxpayer, channel, month


class Quotas(Handle):
    """The quota operations of the port."""

    async def open_quota_request(self, request: QuotaRequest, at: datetime) -> QuotaRequest:
        return await self._write(lambda transaction: _request(transaction, request, microseconds(at)))

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
        await self._write(
            lambda transaction: _fill(transaction, taxpayer, serial, answered, validity, microseconds(at))
        )

    async def quota(self, taxpayer: str, channel: str, month: str) -> QuotaAccount:
        found = await self._fetch(sql.ACCOUNT, taxpayer, channel, month)
        down, back, issued, left, valid_from, valid_until = found[0] if found else (0, 0, 0, 0, None, None)
        return QuotaAccount(
            money(down), money(back), money(issued), money(left), instant(valid_from), instant(valid_until)
        )


async def _request(transaction: Transaction, request: QuotaRequest, at: int) -> QuotaRequest:
    place = (request.taxpayer, request.channel, request.month)
    kind = "return" if request.returning else "download"
    found = await transaction.row(sql.OPEN_QUOTA, *place, kind)
    if found is not None:
        return QuotaRequest(*place, found[0], money(found[1]), request.returning)
    asked = cents(request.amount)
    if asked <= 0:
        raise defect("额度须为正", "A request of quota must be positive")
    if await transaction.value(sql.QUOTA_REQUEST_EXISTS, request.taxpayer, request.serial):
        raise contradiction("额度流水号重复", "A serial of quota is used twice", serial=request.serial)
    if request.returning:
        await _book_return(transaction, place, asked)
    await transaction.execute(sql.INSERT_QUOTA_REQUEST, *place, kind, request.serial, asked, at)
    return request


async def _fill(
    transaction: Transaction, taxpayer: str, serial: str, answered: int, validity: tuple[int, int], at: int
) -> None:
    found = await transaction.row(sql.LOCK_QUOTA_REQUEST, taxpayer, serial)
    if found is None:
        raise unasked(serial)
    channel, month, kind, asked, known = found
    if known is not None:
        if known != answered:
            raise contradiction("同一流水号两次答复不同", "One serial, two different answers", serial=serial)
        return
    place = (taxpayer, channel, month)
    if kind == "return":
        await _book_return(transaction, place, answered - asked)
    else:
        await transaction.execute(sql.BOOK_DOWNLOAD, *place, answered, *validity)
    await transaction.execute(sql.FILL_QUOTA, taxpayer, serial, answered, at)


async def _book_return(transaction: Transaction, place: _Place, amount: int) -> None:
    """Less is left by `amount`; a negative one undoes what the bureau did not take back."""
    if amount and not await transaction.value(sql.BOOK_RETURN, *place, amount):
        raise QuotaExhausted()
