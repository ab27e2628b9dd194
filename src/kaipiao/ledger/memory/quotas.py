"""Quota in memory."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from kaipiao.errors import QuotaExhausted
from kaipiao.ledger.changes import defect, exact, positive
from kaipiao.ledger.memory.handle import Handle
from kaipiao.ledger.memory.store import Account, QuotaEntry
from kaipiao.ledger.numbering import contradiction, unasked
from kaipiao.ledger.port import QuotaAccount, QuotaRequest


class Quotas(Handle):
    """The quota operations of the port."""

    async def open_quota_request(self, request: QuotaRequest, at: datetime) -> QuotaRequest:
        for entry in self.store.quota_entries.values():
            if entry.filled is None and _same_purpose(entry.request, request):
                return entry.request
        if exact(request.amount) <= 0:
            raise defect("额度须为正", "A request of quota must be positive")
        if (request.taxpayer, request.serial) in self.store.quota_entries:
            raise contradiction("额度流水号重复", "A serial of quota is used twice", serial=request.serial)
        if request.returning:
            account = self._account(request)
            if account.left < request.amount:
                raise QuotaExhausted()
            account.returned += exact(request.amount)
        self.store.quota_entries[(request.taxpayer, request.serial)] = QuotaEntry(request)
        return request

    async def fill_quota(
        self,
        taxpayer: str,
        serial: str,
        amount: Decimal,
        valid_from: datetime,
        valid_until: datetime,
        at: datetime,
    ) -> None:
        answered = positive(amount)
        entry = self.store.quota_entries.get((taxpayer, serial))
        if entry is None:
            raise unasked(serial)
        if entry.filled is not None:
            if entry.filled != answered:
                raise contradiction("同一流水号两次答复不同", "One serial, two different answers", serial=serial)
            return
        account = self._account(entry.request)
        if entry.request.returning:
            if account.left < answered - entry.request.amount:
                raise QuotaExhausted()
            account.returned += answered - exact(entry.request.amount)
        else:
            account.downloaded += answered
            account.valid_from, account.valid_until = valid_from, valid_until
        entry.filled = answered

    async def quota(self, taxpayer: str, channel: str, month: str) -> QuotaAccount:
        a = self.store.accounts.get((taxpayer, channel, month), Account())
        return QuotaAccount(a.downloaded, a.returned, a.issued, a.left, a.valid_from, a.valid_until)

    def _account(self, request: QuotaRequest) -> Account:
        return self.store.accounts[(request.taxpayer, request.channel, request.month)]


def _same_purpose(one: QuotaRequest, other: QuotaRequest) -> bool:
    return (one.taxpayer, one.channel, one.month, one.returning) == (
        other.taxpayer,
        other.channel,
        other.month,
        other.returning,
    )
