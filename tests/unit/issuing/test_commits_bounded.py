"""A ledger that does not answer for hours must not fill the memory with commits whose fate is read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bench import SELLER, point

from kaipiao.errors import LedgerFault, OutcomeUnknown
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.memory import MemoryLedger
from kaipiao.ledger.port import AdmitResult

PATIENT = Policy(commit_patience=0.01, commits_at_once=3)


class Silent(MemoryLedger):
    """Takes admissions and does not say what became of them, until it is asked again with `speaking`."""

    speaking = False

    async def admit(self, admissions: Any) -> list[AdmitResult]:
        if not self.speaking:
            raise OutcomeUnknown
        return await super().admit(admissions)


def test_so_many_commits_of_unknown_fate_and_no_more() -> None:
    async def story() -> None:
        ledger = Silent("n1")
        p = await point(ledger, policy=PATIENT)
        refused = 0
        for n in range(10):
            with pytest.raises((OutcomeUnknown, LedgerFault)) as told:
                await p.issue(f"A-{n}")
            refused += type(told.value) is LedgerFault
        assert refused == 7
        ledger.speaking = True
        for _ in range(200):
            p.clock.advance(5)
            await asyncio.sleep(0)
        known = [n for n in range(10) if await ledger.find(SELLER, orders=[f"A-{n}"])]
        assert known == [0, 1, 2], "what was sent is there; what was refused is not"
        issued = [await p.issue(f"A-{n}") for n in range(10)]
        assert len({one.record.number for one in issued}) == 10

    asyncio.run(story())
