"""Commits whose fate is unknown (design/architecture.md, "An ambiguous commit"; `design/model/numbers_model.py`).

The order key is read again before anything is answered. Found: that is the answer, ours or another's. Absent: the same
pair is sent again; its number is never freed, because the first commit may still arrive. A caller's cancellation or
time-out never cuts a commit short.
"""

from __future__ import annotations

import asyncio

from kaipiao.clock import Clock
from kaipiao.errors import OutcomeUnknown
from kaipiao.issuing.policy import Policy
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult, Ledger


class Committer:
    """Sends one admission and comes back only with what the ledger has."""

    def __init__(self, ledger: Ledger, clock: Clock, policy: Policy) -> None:
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self._running: set[asyncio.Task[AdmitResult]] = set()

    async def admit(self, admission: Admission) -> AdmitResult:
        """Raises `OutcomeUnknown` when the fate could not be read in time; reading goes on behind it."""
        task = asyncio.create_task(self._until_known(admission))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=self._policy.commit_patience)
        if not done:
            raise OutcomeUnknown()
        return task.result()

    async def close(self) -> None:
        """Let what is under way come to its end, as far as patience goes."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._policy.commit_patience)
        for task in list(self._running):
            task.cancel()

    async def _until_known(self, admission: Admission) -> AdmitResult:
        pause = 0.05
        while True:
            try:
                return _ours((await self._ledger.admit([admission]))[0], admission)
            except OutcomeUnknown:
                found = await self._read_back(admission)
            if found is not None:
                return found
            await self._clock.sleep(pause)
            pause = min(5.0, pause * 2)

    async def _read_back(self, admission: Admission) -> AdmitResult | None:
        try:
            records = await self._ledger.find(admission.taxpayer, orders=[admission.order])
        except OutcomeUnknown:
            return None
        return _ours(AdmitResult(AdmitOutcome.KNOWN, records[0]), admission) if records else None


def _ours(result: AdmitResult, admission: Admission) -> AdmitResult:
    """An order that is known under our own id was admitted by an earlier copy of this very commit."""
    record = result.record
    if result.outcome is AdmitOutcome.KNOWN and record is not None and record.id == admission.id:
        return AdmitResult(AdmitOutcome.ADMITTED, record)
    return result
