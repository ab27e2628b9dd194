"""Commits whose fate is unknown (design/architecture.md, "An ambiguous commit"; `design/model/numbers_model.py`).

The order key is read again before anything is answered. Found: that is the answer, ours or another's. Absent: the same
pair is sent again; its number is never freed, because the first commit may still arrive. A caller's cancellation or
time-out never cuts a commit short.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from kaipiao.clock import Clock
from kaipiao.errors import KaipiaoError, LedgerFault, OutcomeUnknown
from kaipiao.issuing.policy import Policy
from kaipiao.language import Text
from kaipiao.ledger.changes import numbers
from kaipiao.ledger.port import Admission, AdmitOutcome, AdmitResult, Ledger

log = logging.getLogger(__name__)

_NO_ANSWER = Text("账本久未答复，先不再写入", "The ledger has not answered for long; nothing more is sent to it now")
# The ledger stored nothing and never will, and the number is nobody's.
NOT_STORED = frozenset({AdmitOutcome.KNOWN, AdmitOutcome.QUOTA_SHORT})


class Committer:
    """Sends one admission and comes back only with what the ledger has."""

    def __init__(self, ledger: Ledger, clock: Clock, policy: Policy) -> None:
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self._running: set[asyncio.Task[AdmitResult]] = set()

    async def admit(self, admission: Admission, free: Callable[[], None]) -> AdmitResult:
        """`free` is called once when the pair was surely not stored and never will be, whoever still waits for it.

        Raises `OutcomeUnknown` when the fate could not be read in time; reading goes on behind it. Raises what the
        ledger raised when surely nothing was stored, and `LedgerFault` when so many are under way already that the
        ledger is not asked.
        """
        if len(self._running) >= self._policy.commits_at_once:
            free()
            raise LedgerFault(_NO_ANSWER)
        task = asyncio.create_task(self._run(admission, free))
        self._running.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=self._policy.commit_patience)
        if not done:
            raise OutcomeUnknown()
        return task.result()

    async def close(self) -> None:
        """Let what is under way come to its end, as far as patience goes."""
        running = list(self._running)
        if running:
            await asyncio.wait(running, timeout=self._policy.commit_patience)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[AdmitResult]) -> None:
        """Its caller may be gone: a failure is told here too."""
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.warning("a commit failed", exc_info=error, extra={"code": getattr(error, "code", None)})

    async def _run(self, admission: Admission, free: Callable[[], None]) -> AdmitResult:
        try:
            result = await self._send(admission)
        except OutcomeUnknown:
            result = await self._until_known(admission)
        except Exception:  # the port: whatever else it raises, nothing was stored
            free()
            raise
        if result.outcome in NOT_STORED:
            free()
        return result

    async def _send(self, admission: Admission) -> AdmitResult:
        return _ours((await self._ledger.admit([admission]))[0], admission)

    async def _until_known(self, admission: Admission) -> AdmitResult:
        """An earlier copy may still arrive. So a ledger that fails, or a quota that is short for this copy, tells nothing."""
        pause = 0.05
        while True:
            found = await self._read_back(admission)
            if found is not None:
                return found
            await self._clock.sleep(pause)
            pause = min(5.0, pause * 2)
            with contextlib.suppress(OutcomeUnknown, LedgerFault):
                result = await self._send(admission)
                if result.outcome is not AdmitOutcome.QUOTA_SHORT:
                    return result

    async def _read_back(self, admission: Admission) -> AdmitResult | None:
        try:
            records = await self._ledger.find(admission.taxpayer, orders=[admission.order])
        except KaipiaoError:
            return None
        if not records or numbers(admission, records[0]):  # still without the number that this commit gives
            return None
        if records[0].id == admission.replaces:  # still without its successor
            return None
        return _ours(AdmitResult(AdmitOutcome.KNOWN, records[0]), admission)


def _ours(result: AdmitResult, admission: Admission) -> AdmitResult:
    """An order that is known under our own id, with our number when we gave one, was admitted by an earlier copy of this
    very commit. With another number it was numbered by somebody else; without one it was cancelled meanwhile."""
    record = result.record
    if result.outcome is not AdmitOutcome.KNOWN or record is None or record.id != admission.id:
        return result
    if admission.number is not None and record.number != admission.number:
        return result
    return AdmitResult(AdmitOutcome.ADMITTED, record)
