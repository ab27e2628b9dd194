"""The numberer: gives accepted orders their numbers, oldest first, every taxpayer in its turn.

Orders of one taxpayer are numbered side by side, so that the ledger commits many at once. What one taxpayer lacks
(numbers, quota, standing) holds back that taxpayer; what is wrong with one order holds back that order. None is forgotten.
While many callers wait for an answer numbering takes only a small share of the time: they go first, and it always goes on.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from functools import partial

from kaipiao.clock import Clock
from kaipiao.errors import (
    CannotIssue,
    ChannelCannotCarry,
    Internal,
    KaipiaoError,
    LedgerFault,
    NotFound,
    OrderCancelled,
    OutcomeUnknown,
)
from kaipiao.issuing.acceptance import refusal
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.issuer import Issuer
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.shards import Shards
from kaipiao.ledger.port import InvoiceRecord, Ledger

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.02  # real seconds between looks whether there is still a crowd


class Numberer:
    """Numbers what `Issuer.accept` stored."""

    def __init__(self, ledger: Ledger, issuer: Issuer, shards: Shards, clock: Clock, policy: Policy) -> None:
        self._ledger = ledger
        self._shards = shards
        self._issuer = issuer
        self._clock = clock
        self._policy = policy
        self._slots = asyncio.Semaphore(policy.numbering_at_once)  # first come, first served
        self._batches = Errands("numberer", clock, policy)
        self._rests_until = 0.0  # of the event loop's clock, while there is a crowd

    async def round(self) -> int:
        """One batch for every taxpayer of ours with orders that wait. Returns how many were numbered by the batches that ended;
        a slow one goes on behind it."""
        for taxpayer in filter(self._shards.holds, await self._ledger.accepted_taxpayers()):
            self._batches.start((taxpayer,), partial(self._batch, taxpayer))
        return await self._batches.wait()

    def busy(self) -> set[str]:
        """The taxpayers with a batch under way."""
        return self._batches.busy()

    async def close(self, grace: float) -> None:
        """Batches under way get `grace` real seconds; what is cut is numbered after the next start."""
        await self._batches.close(grace)

    async def _batch(self, taxpayer: str) -> int:
        """Raises what the taxpayer lacks when none could be numbered: then it is held back, longer each time."""
        async with self._slots:
            await self._give_way()
            began = asyncio.get_running_loop().time()
            waiting = await self._ledger.accepted(taxpayer, self._clock.now(), self._policy.numbering_batch)
            outcomes = await asyncio.gather(*map(self._number, waiting), return_exceptions=True)
            self._rest(began)
        numbered = sum(outcome is None for outcome in outcomes)
        failures = [outcome for outcome in outcomes if outcome is not None]
        if failures and not numbered:
            raise failures[0]
        return numbered

    async def _give_way(self) -> None:
        """Until the rest after the last batches is over, or there is no crowd any more."""
        loop = asyncio.get_running_loop()
        while self._issuer.callers >= self._policy.numbering_crowd and loop.time() < self._rests_until:
            await asyncio.sleep(LOOK_SECONDS)

    def _rest(self, began: float) -> None:
        now, share = asyncio.get_running_loop().time(), self._policy.numbering_share
        if self._issuer.callers >= self._policy.numbering_crowd:
            rest = max(now, self._rests_until) + (now - began) * (1 - share) / share
            self._rests_until = min(rest, now + self._policy.numbering_rest)

    async def _number(self, order: InvoiceRecord) -> None:
        """Raises what is not the order's own fault."""
        try:
            await self._issuer.number(order)
        except OrderCancelled:
            return
        except ChannelCannotCarry as error:
            await self._hold_back(order, error)
        except (CannotIssue, LedgerFault, NotFound, OutcomeUnknown):  # NotFound: only other nodes know the taxpayer yet
            raise
        except KaipiaoError as error:
            await self._hold_back(order, error)
        except Exception:  # a defect of ours that one order meets must not stop the others
            log.exception("an accepted order could not be numbered", extra={"taxpayer": order.taxpayer})
            await self._hold_back(order, Internal())

    async def _hold_back(self, order: InvoiceRecord, error: KaipiaoError) -> None:
        """It stays accepted and shows why; rules go by the day, so it is looked at again, and can be cancelled meanwhile."""
        now = self._clock.now()
        later = now + timedelta(seconds=self._policy.numbering_retry)
        log.error("an accepted order is refused", extra={"taxpayer": order.taxpayer, "code": error.code})
        await self._ledger.advance([refusal(order, error.code, error.detail.both, later, now)])
