"""The direct channel behind the `Channel` port."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from kaipiao.authority.channel import (
    Answer,
    Held,
    ItemResult,
    ListPacket,
    MonthSummary,
    MonthTotals,
    Outcome,
    QuotaGrant,
    QuotaStanding,
    Segment,
    TaxpayerStanding,
    UploadItem,
)
from kaipiao.authority.endpoints import Endpoints
from kaipiao.authority.leqi import issued, months, numbers, quota, reading, results, services
from kaipiao.authority.leqi import rates as rate_list
from kaipiao.authority.leqi import standing as qualification
from kaipiao.authority.leqi.ask import Question, ask
from kaipiao.authority.leqi.call import Caller, inconsistent
from kaipiao.authority.leqi.content import of_invoice
from kaipiao.authority.leqi.reading import Data
from kaipiao.authority.leqi.services import Service
from kaipiao.authority.leqi.settings import LeqiSettings
from kaipiao.authority.leqi.upload import element
from kaipiao.authority.transport import Transport
from kaipiao.errors import Internal
from kaipiao.invoice.canonical import load_invoice
from kaipiao.language import Text

T = TypeVar("T")

_SERIAL_DIGITS = 32
_ACCEPTANCE_LIMIT = 40  # characters of sllsh


def random_digits(count: int) -> str:
    return f"{secrets.randbelow(10**count):0{count}d}"


class LeqiChannel:
    """See `Channel`. Owns the transport: `close` closes it. `digits` is chance, for `serial`."""

    def __init__(
        self, settings: LeqiSettings, transport: Transport, *, digits: Callable[[int], str] = random_digits
    ) -> None:
        self.name = settings.name
        self.capabilities = settings.capabilities()
        self._settings = settings
        self._transport = transport
        self.endpoints = Endpoints([settings.base_url, *settings.further_urls])
        self._caller = Caller(settings, transport, self.endpoints)
        self._digits = digits

    async def pull_numbers(self, taxpayer: str, quantity: int, serial: str) -> Answer[Segment]:
        request = numbers.request(taxpayer, quantity, serial)
        return await self._call(services.NUMBERS, request, lambda data: numbers.segment(data, quantity))

    async def quota(self, taxpayer: str) -> Answer[QuotaStanding]:
        return await self._call(services.QUOTA, {"nsrsbh": taxpayer}, quota.standing)

    async def move_quota(self, taxpayer: str, amount: Decimal, serial: str, *, returning: bool) -> Answer[QuotaGrant]:
        request = quota.move(taxpayer, self._settings.jrdwptbh, amount, serial, returning=returning)
        return await self._call(services.MOVE_QUOTA, request, lambda data: quota.grant(data, amount))

    async def upload(self, taxpayer: str, items: Sequence[UploadItem], wire_id: str) -> Answer[str]:
        """Raises `Internal` for more items than a call takes, or an invoice that this ability cannot carry."""
        if not 1 <= len(items) <= self.capabilities.upload_batch:
            raise Internal(Text("每次上传的张数超出范围", "The number of invoices of one upload is out of range"))
        payload = [element(item, load_invoice(item.invoice), self._settings) for item in items]
        return await self._call(services.UPLOAD, payload, _acceptance, wire_id)

    async def poll(self, taxpayer: str, submission: str) -> Answer[list[ItemResult]]:
        return await self._call(services.RESULT, {"sllsh": submission}, results.results)

    async def ask(
        self, taxpayer: str, number: str, made_at: datetime, total: Decimal, kind: str
    ) -> Answer[Held | None]:
        question = Question(taxpayer, number, made_at, total, kind)
        return await ask(self._caller, services.status(self._settings.status_ability), question)

    def content_digest(self, item: UploadItem) -> bytes:
        return of_invoice(load_invoice(item.invoice))

    async def summary(self, taxpayer: str, month: str) -> Answer[MonthSummary]:
        request = months.question(self._settings, taxpayer, month)
        return await self._call(services.SUMMARY, request, lambda data: months.summary(data, month))

    async def confirm_month(self, taxpayer: str, month: str, totals: MonthTotals) -> Answer[None]:
        request = months.confirmation(self._settings, taxpayer, month, totals)
        return _with(await self._caller.call(services.CONFIRM, request), None)

    async def unconfirm_month(self, taxpayer: str, month: str) -> Answer[None]:
        request = months.cancellation(self._settings, taxpayer, month)
        return _with(await self._caller.call(services.CONFIRM, request), None)

    async def apply_list(self, taxpayer: str, month: str, kind: str) -> Answer[str]:
        return await self._call(services.APPLY_LIST, issued.request(taxpayer, month, kind), issued.ticket)

    async def list_packet(self, taxpayer: str, ticket: str, packet: int) -> Answer[ListPacket]:
        request = {"nsrsbh": taxpayer, "pclsh": ticket, "sjbxh": packet}
        return await self._call(services.LIST, request, lambda data: issued.packet(data, packet))

    async def standing(self, taxpayer: str) -> Answer[TaxpayerStanding]:
        basic = await self._caller.call(services.TAXPAYER, {"nsrsbh": taxpayer})
        if basic.outcome is not Outcome.OK or basic.value is None:
            return _with(basic, None)
        first = basic.value
        return await self._call(
            services.RISK, {"nsrsbh": taxpayer}, lambda risk: qualification.standing(taxpayer, first, risk)
        )

    async def rates(self, taxpayer: str) -> Answer[list[Decimal]]:
        return await self._call(services.RATES, {}, lambda data: rate_list.rates(data) or None)

    async def health(self) -> Answer[None]:
        """Asks for the rates, which needs no taxpayer and changes nothing (R11). OK: the service itself answered."""
        return _with(await self._caller.call(services.RATES, {}), None)

    async def health_at(self, endpoint: str) -> Answer[None]:
        """The same of one endpoint, whether or not it is used now."""
        return _with(await self._caller.call(services.RATES, {}, only=(endpoint,)), None)

    def serial(self) -> str:
        return f"{self._settings.sydwptbh}{self._settings.jrdwptbh}{self._digits(_SERIAL_DIGITS)}"

    async def close(self) -> None:
        await self._transport.close()

    async def _call(
        self, service: Service, payload: object, understand: Callable[[Data], T | None], wire_id: str = ""
    ) -> Answer[T]:
        """Call, and turn the data of a success into a value; a success that cannot be understood is not believed."""
        answer = await self._caller.call(service, payload, wire_id)
        if answer.outcome is not Outcome.OK or answer.value is None:
            return _with(answer, None)
        value = understand(answer.value)
        return _with(inconsistent(answer, service), None) if value is None else _with(answer, value)


def _with(answer: Answer[Data], value: T | None) -> Answer[T]:
    return Answer(answer.outcome, value, answer.code, answer.message, answer.retry_after, answer.timeline)


def _acceptance(data: Data) -> str | None:
    number = data.get("sllsh")
    clean = reading.text(number, _ACCEPTANCE_LIMIT + 1)
    return clean if clean and len(clean) <= _ACCEPTANCE_LIMIT else None
