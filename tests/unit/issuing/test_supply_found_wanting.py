"""Mistakes of supply that the simulation found."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

from bench import SELLER, point
from pretend_bureau import PretendBureau

from kaipiao.authority.channel import Answer, QuotaGrant
from kaipiao.clock import ManualClock
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.memory import MemoryLedger, MemoryStore


def test_a_node_without_numbers_gets_more_though_another_holds_all_that_were_pulled_in_its_memory() -> None:
    """Seed 53: what the other node held counted as stock, so nothing was pulled, and orders waited for ever."""

    async def story() -> None:
        store, now = MemoryStore(), [0.0]
        policy = Policy(block_size=60, block_low=4, segment_size=60)
        first = await point(MemoryLedger("n1", lambda: now[0], store=store), policy=policy, lease_clock=lambda: now[0])
        await first.issue("A1")
        counts = await first.ledger.number_counts(SELLER, "pretend", 2026)
        assert (counts.free, counts.leased) == (0, 59)
        now[0] += 20.0  # its shards are free by now, its block is not
        second = await point(
            MemoryLedger("n2", lambda: now[0], store=store), first.bureau, policy, node="n2", clock=first.clock,
            lease_clock=lambda: now[0],
        )  # fmt: skip
        assert (await second.issue("B1")).record.number

    asyncio.run(story())


class SlowBureau(PretendBureau):
    """It grants what it is asked for when the month has turned."""

    async def move_quota(self, taxpayer: str, amount: Decimal, serial: str, *, returning: bool) -> Answer[QuotaGrant]:
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(120)
        return await super().move_quota(taxpayer, amount, serial, returning=returning)


def test_quota_that_is_granted_when_the_month_has_turned_is_not_booked_for_the_month_before() -> None:
    """Seed 34: the month was right when the bureau was asked for it, and wrong when it granted."""

    async def story() -> None:
        clock = ManualClock(datetime(2026, 11, 30, 15, 59, tzinfo=UTC))
        p = await point(bureau=SlowBureau(clock), clock=clock)
        account = await p.ledger.quota(SELLER, "pretend", "2026-11")
        assert account.downloaded == 0
        await p.supply.round()
        clock.advance(10)
        await p.supply.round()
        assert (await p.ledger.quota(SELLER, "pretend", "2026-12")).downloaded > 0

    asyncio.run(story())
