"""The far side as every baseline sees it: the project's own channel and wire, one invoice a call. No policy is here."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from kaipiao.authority.channel import Answer, ItemStatus, Outcome, Segment, UploadItem
from kaipiao.authority.followed_clock import ask as ask_clock
from kaipiao.authority.leqi import LeqiChannel, LeqiSettings
from kaipiao.authority.transport import Timeouts, TlsSettings, Transport
from kaipiao.authority.transport.settings import Limits
from kaipiao.clock import FunctionClock
from kaipiao.intake.requests import parse_request
from kaipiao.invoice.canonical import invoice_bytes
from kaipiao.invoice.drafting import complete
from kaipiao.invoice.model import Draft, Party, Seller
from kaipiao.issuing.pace import Pace
from kaipiao_lab.policies.bureau import GENERAL
from kaipiao_lab.policies.day import LIMITS
from kaipiao_lab.policies.rules import Sight, pause

QUOTA = Decimal(30_000_000)
PULL = 5000
CALLS_AT_ONCE = 4  # uploads and results; who asks does not stand in their queue
CONNECTIONS = 8

_SIGHTS = {
    ItemStatus.CONFIRMED: Sight.ISSUED,
    ItemStatus.DUPLICATE: Sight.DUPLICATE,
    ItemStatus.REJECTED: Sight.REFUSED,
}


class NoStock(Exception):
    """The bureau gave no numbers or no quota: nothing could be compared."""


@dataclass(frozen=True, slots=True)
class Document:
    """One sale under one number, as it is sent."""

    item: UploadItem
    total: Decimal
    kind: str


class FarSide:
    """`info`: what the sandbox printed. Belongs to one event loop."""

    def __init__(self, info: Mapping[str, Any], clock: FunctionClock, transport: Transport) -> None:
        self.clock = clock
        self._channel = LeqiChannel(_settings(info), transport)
        self._pace = Pace(clock, self._channel.capabilities.calls_per_second)
        self._wires = asyncio.Semaphore(CALLS_AT_ONCE)
        self._sellers = {
            each["tax_number"]: _seller(each) for each in info["taxpayers"] if each["taxpayer_type"] == GENERAL
        }
        self._numbers: dict[str, deque[str]] = {seller: deque() for seller in self._sellers}

    @classmethod
    async def open(cls, info: Mapping[str, Any], speed: float) -> FarSide:
        """With numbers and quota for every seller; it waits for answers as long as the platform does at such a `speed` of the
        clock. Raises `NoStock`."""
        tls = TlsSettings(Path(info["ca_file"]), Path(info["client_certificate"]), Path(info["client_key"]))
        transport = Transport(tls, Timeouts().divided(speed), Limits(connections=CONNECTIONS))
        function = await ask_clock(transport, info["clock_url"])
        if function is None:
            raise NoStock("the bureau's clock does not answer")
        far = cls(info, FunctionClock(function), transport)
        for seller in far._sellers:
            await far._stock(seller)
        return far

    @property
    def sellers(self) -> list[str]:
        return list(self._sellers)

    async def rest(self, seconds: float) -> None:
        """So many seconds of the bureau's clock, exactly: its speed does not change."""
        await asyncio.sleep(seconds / self.clock.function.speed)

    async def close(self) -> None:
        await self._channel.close()

    async def _stock(self, seller: str) -> None:
        granted = await self._channel.move_quota(seller, QUOTA, self._channel.serial(), returning=False)
        if granted.outcome is not Outcome.OK:
            raise NoStock(granted.code)
        await self._pull(seller)

    async def _pull(self, seller: str) -> None:
        pulled: Answer[Segment] = await self._channel.pull_numbers(seller, PULL, self._channel.serial())
        if pulled.value is None:
            raise NoStock(pulled.code)
        first = int(pulled.value.first)
        self._numbers[seller].extend(f"{first + place:020d}" for place in range(pulled.value.quantity))

    def document(self, sale: bytes) -> Document:
        """The sale under the next number, made now."""
        draft: Draft = parse_request(sale)
        now = self.clock.now()
        number = self._numbers[draft.seller_tax_number].popleft()
        invoice = complete(draft, self._sellers[draft.seller_tax_number], number, now)
        item = UploadItem(number, now, invoice_bytes(invoice), b"", b"", "")
        return Document(item, invoice.total, draft.kind.value)

    async def file(self, seller: str, document: Document) -> Sight:
        """One try: upload, and its result when it was taken in."""
        await self._pace.turn(seller)
        async with self._wires:
            answer = await self._channel.upload(seller, [document.item], "")
        if answer.outcome is Outcome.OK and answer.value:
            return await self._result(seller, answer.value, document.item.number)
        return Sight.REFUSED if answer.outcome is Outcome.REJECTED else Sight.NOTHING

    async def _result(self, seller: str, submission: str, number: str) -> Sight:
        await self.rest(self._channel.capabilities.first_poll)
        failed = 0
        while True:
            await self._pace.turn(seller)
            async with self._wires:
                answer = await self._channel.poll(seller, submission)
            found = next((each for each in answer.value or [] if each.number == number), None)
            if found is not None and found.status in _SIGHTS:
                return _SIGHTS[found.status]
            failed += answer.outcome is not Outcome.OK
            await self.rest(pause(failed) if failed else self._channel.capabilities.first_poll)

    async def holds(self, seller: str, document: Document) -> bool | None:
        """What the bureau says of this number; None when it says nothing."""
        await self._pace.turn(seller)
        item = document.item
        answer = await self._channel.ask(seller, item.number, item.made_at, document.total, document.kind)
        return answer.value is not None if answer.outcome is Outcome.OK else None


def read_info(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _settings(info: Mapping[str, Any]) -> LeqiSettings:
    return LeqiSettings(
        base_url=info["url"],
        jrdwptbh=info["jrdwptbh"],
        sydwptbh=info["sydwptbh"],
        ylbm=info["ylbm"],
        sm4_key_hex=info["sm4_key"],
        limits=LIMITS,
    )


def _seller(company: Mapping[str, str]) -> Seller:
    """Only what an uploaded invoice says of its seller."""
    return Seller(
        party=Party(name=company["name"], tax_number=company["tax_number"]),
        region=company["region"],
        bureau_code="",
        bureau_name="",
        tag="",
        taxpayer_type=company["taxpayer_type"],
        drawer="系统",
    )
