"""An issuing point in virtual time: the shipped code on the memory ledger, with a pretend bureau, no threads, no real time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from pretend_bureau import PretendBureau

from kaipiao.clock import ManualClock
from kaipiao.invoice.lifecycle import State
from kaipiao.invoice.model import Draft, DraftLine, Kind, Party, Seller
from kaipiao.invoice.taxpayer import bureau_of, with_check_digit
from kaipiao.issuing.breaker import BreakerRules
from kaipiao.issuing.breakers import Breakers
from kaipiao.issuing.gate import Gate
from kaipiao.issuing.issuer import Desk, Issued, Issuer
from kaipiao.issuing.notices import Notices
from kaipiao.issuing.numberer import Numberer
from kaipiao.issuing.numbers import NumberDesk
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.ports import Inline
from kaipiao.issuing.settler import Settler
from kaipiao.issuing.shards import Shards
from kaipiao.issuing.supply import Supply
from kaipiao.issuing.uploader import Uploader
from kaipiao.ledger.ids import IdMaker
from kaipiao.ledger.memory import MemoryLedger
from kaipiao.ledger.port import InvoiceRecord, Ledger
from kaipiao.seal.digest import sm3
from kaipiao.seal.port import Seal

SELLER = with_check_digit("91440300MA5EXMPL1")
OTHER = with_check_digit("91440300MA5EXMPL2")
START = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)


class StubSealer:
    """Not a seal: bytes that depend on the data. Issuing asks no more of it."""

    def seal(self, data: bytes) -> Seal:
        return Seal("stub", "SM2-SM3", sm3(data))

    def verify(self, data: bytes, seal: Seal) -> bool:
        return seal.value == sm3(data)


def seller(tax_number: str = SELLER) -> Seller:
    bureau = bureau_of("44")
    party = Party("示例销售有限公司", tax_number)
    return Seller(party, "44", bureau.code, bureau.name, bureau.tag, "1", "系统")


def draft(order: str, amount: str = "100.00", **changes: object) -> Draft:
    line = DraftLine(
        name="工作午餐",
        short_name="餐饮服务",
        tax_code="3070401000000000000",
        tax_rate=Decimal("0.06"),
        amount=Decimal(amount),
    )
    made = Draft(order, SELLER, Kind.GENERAL, Party("示例购买方"), (line,), remark=f"order:{order}")
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class Point:
    """One issuing point and its bureau."""

    clock: ManualClock
    ledger: Ledger
    bureau: PretendBureau
    issuer: Issuer
    numbers: NumberDesk
    numberer: Numberer
    uploader: Uploader
    settler: Settler
    supply: Supply
    shards: Shards
    policy: Policy
    breakers: Breakers

    async def issue(self, order: str, amount: str = "100.00", *, by: str = SELLER) -> Issued:
        return await self.issuer.issue(draft(order, amount, seller_tax_number=by))

    async def accept(self, order: str, amount: str = "100.00", *, by: str = SELLER) -> InvoiceRecord:
        return await self.issuer.accept(draft(order, amount, seller_tax_number=by))

    async def record(self, order: str, *, by: str = SELLER) -> InvoiceRecord:
        return (await self.ledger.find(by, orders=[order]))[0]

    async def state(self, order: str, *, by: str = SELLER) -> State:
        return (await self.record(order, by=by)).state

    def busy(self) -> set[str]:
        return self.numberer.busy() | self.uploader.busy() | self.settler.busy() | self.supply.busy()

    async def step(self, seconds: float) -> None:
        """Time goes on, then each loop has its turn once."""
        self.clock.advance(seconds)
        await self.shards.round(self.busy)
        await self.breakers.round()
        await self.numberer.round()
        await self.uploader.round()
        await self.settler.poll_round()
        await self.settler.ask_round()
        await self.settler.alarm_round()

    async def run(self, seconds: float, every: float = 30.0) -> None:
        for _ in range(int(seconds / every)):
            await self.step(every)


async def point(
    ledger: Ledger | None = None,
    bureau: PretendBureau | None = None,
    policy: Policy | None = None,
    *,
    node: str = "n1",
    clock: ManualClock | None = None,
    patience: float = 30.0,
    sellers: Sequence[str] = (SELLER,),
    lease_clock: Callable[[], float] = time.monotonic,
    gate: Gate | None = None,
    rules: BreakerRules | None = None,
) -> Point:
    """An issuing point that has numbers and quota. `patience`: real seconds that a round waits for a hanging call."""
    clock = clock or ManualClock(START)
    ledger = ledger or MemoryLedger(node)
    bureau = bureau or PretendBureau(clock)
    policy = replace(policy or Policy(), errand_patience=patience)
    await ledger.open()
    channels = {bureau.name: bureau}
    paces = {bureau.name: Pace(clock, bureau.capabilities.calls_per_second)}
    shards = Shards(ledger, node, sellers, policy, lease_clock)
    breakers = Breakers(channels, clock, policy, Notices(ledger, node), rules, chance=random.Random(node))
    await shards.round(set)
    supply = Supply(ledger, channels, paces, shards, breakers, [(s, bureau.name) for s in sellers], clock, policy)
    ids = IdMaker(clock.now, random.Random(node))
    numbers = NumberDesk(ledger, node, policy, lambda _key: None)
    desks = {s: Desk(seller(s), bureau.name, bureau.capabilities, StubSealer()) for s in sellers}
    issuer = Issuer(
        ledger,
        desks,
        numbers,
        clock,
        Inline(),
        ids,
        policy,
        refuse_reason=supply.refuse_reason,
        quota_ended=supply.quota_ended,
        on_quota_short=lambda _taxpayer, _channel: None,
        gate=gate,
    )
    numberer = Numberer(ledger, issuer, shards, clock, policy)
    uploader = Uploader(ledger, channels, paces, shards, breakers, clock, ids, node, policy)
    settler = Settler(ledger, channels, paces, shards, breakers, clock, policy)
    await supply.round()
    await issuer.open()
    return Point(clock, ledger, bureau, issuer, numbers, numberer, uploader, settler, supply, shards, policy, breakers)
