"""An issuing point: its loops, started and stopped together. One process on a laptop, one node of a cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kaipiao.clock import Clock, SystemClock
from kaipiao.errors import KaipiaoError
from kaipiao.issuing import trail
from kaipiao.issuing.breakers import Breakers
from kaipiao.issuing.issuer import Issuer
from kaipiao.issuing.numberer import Numberer
from kaipiao.issuing.numbers import NumberDesk
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.settler import Settler
from kaipiao.issuing.shards import Shards
from kaipiao.issuing.supply import Supply
from kaipiao.issuing.uploader import Uploader
from kaipiao.ledger.port import Ledger

log = logging.getLogger(__name__)


class Loop:
    """Runs `work` again and again, a pause of the clock between, sooner when woken. A failure is logged and tried again."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[float]],
        clock: Clock,
        most: float = 60.0,
        real: Clock | None = None,
    ) -> None:
        """`most`: seconds of the clock `real` (the machine's) that it rests at the longest when its work fails again and
        again: a ledger that is away comes back by real time."""
        self._name = name
        self._work = work
        self._clock = clock
        self._most = most
        self._real = real or SystemClock()
        self._woken = False
        self._resting: asyncio.Future[None] | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    def wake(self) -> None:
        self._woken = True
        if self._resting is not None:
            self._resting.cancel()

    async def stop(self, grace: float) -> None:
        """Let the work under way come to its end within `grace` real seconds, then cut it."""
        self._stopping = True
        self.wake()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=grace)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        failures = 0
        while not self._stopping:
            pause = 0.0
            try:
                pause = await self._work()
                failures = 0
            except KaipiaoError as error:
                failures += 1
                log.error("loop failed", extra={"loop": self._name, "code": error.code, "failures": failures})
            except Exception:  # a defect of ours: told with its trace, and the loop lives on
                failures += 1
                log.exception("loop failed by a defect", extra={"loop": self._name, "failures": failures})
            if failures:
                await self._pause(min(self._most, 0.1 * 2 ** min(10, failures)), self._real)
            else:
                await self._pause(pause, self._clock)

    async def _pause(self, seconds: float, clock: Clock) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._resting = asyncio.ensure_future(clock.sleep(seconds))
        if self._woken:
            self._resting.cancel()
        try:
            await asyncio.wait({self._resting})
        finally:
            if self._resting.cancel():
                await asyncio.gather(self._resting, return_exceptions=True)
            self._resting, self._woken = None, False


class Node:
    """Everything that issues, as one thing to start and stop."""

    def __init__(
        self,
        name: str,
        ledger: Ledger,
        issuer: Issuer,
        numbers: NumberDesk,
        shards: Shards,
        uploader: Uploader,
        settler: Settler,
        supply: Supply,
        clock: Clock,
        policy: Policy,
        breakers: Breakers | None = None,
    ) -> None:
        """Without `breakers` nobody probes: what opens stays open."""
        self.name = name
        self.issuer = issuer
        self._ledger = ledger
        self._numbers = numbers
        self._shards = shards
        self._numberer = Numberer(ledger, issuer, shards, clock, policy)
        self._uploader = uploader
        self._settler = settler
        self._supply = supply
        self._clock = clock
        self._policy = policy
        self.supplied = asyncio.Event()
        works = {
            "numberer": self._number,
            "uploader": self._upload,
            "poller": self._poll,
            "asker": self._ask,
            "supply": self._stock,
        }
        if breakers is not None:
            works["breakers"] = breakers.round
            breakers.wake = self._wake
        self._breakers = breakers
        self._loops = {work: Loop(work, does, clock, policy.loop_rest) for work, does in works.items()}
        self._leases = {  # by real time
            "leases": Loop("leases", self._renew, SystemClock(), policy.loop_rest),
            "shards": Loop("shards", self._share, SystemClock(), min(1.0, policy.shard_seconds / 5)),
        }

    async def start(self) -> None:
        """Give up what a dead predecessor of this name held, settle what it left open, then run."""
        given_up = await self._ledger.reclaim_blocks(self.name)
        await self._share()
        orphans = await self._uploader.recover()
        await self.issuer.open()
        now = self._clock.now()
        started = trail.platform("node.started", now, node=self.name, blocks_reclaimed=given_up, orphans=orphans)
        await self._ledger.append_events([started])
        for loop in (*self._leases.values(), *self._loops.values()):
            loop.start()

    async def stop(self) -> None:
        """Take no new orders, end the loops, give the shards and the blocks up: others go on with them at once. A call on the wire that outlasts the grace is cut: it is
        UNKNOWN at the next start and settles."""
        await self.issuer.close()
        grace = self._policy.stop_grace
        await asyncio.gather(*(loop.stop(grace) for loop in self._loops.values()))
        await asyncio.gather(*(worker.close(grace) for worker in self._workers()))
        if self._breakers is not None:
            await self._breakers.close(grace)
        await asyncio.gather(*(loop.stop(grace) for loop in self._leases.values()))
        await self._shards.leave()
        await self._numbers.close()
        await self._ledger.append_events([trail.platform("node.stopped", self._clock.now(), node=self.name)])

    def fetch_stock(self, taxpayer: str) -> None:
        """Its numbers or quota are used up: whoever works for it gets more at once."""
        if self._shards.holds(taxpayer):
            self._loops["supply"].wake()
        else:
            self._shards.ask_for_stock(taxpayer)
            self._leases["shards"].wake()

    def leads(self) -> bool:
        """Whether this is the node that does what one of all has to do."""
        return self._shards.leads()

    def _wake(self) -> None:
        for loop in self._loops.values():
            loop.wake()

    def _workers(self) -> tuple[Numberer | Uploader | Settler | Supply, ...]:
        return (self._numberer, self._uploader, self._settler, self._supply)

    async def _number(self) -> float:
        return 0.0 if await self._numberer.round() else self._policy.numbering_idle

    async def _upload(self) -> float:
        sent = await self._uploader.round()
        if not sent:
            await self._uploader.recover()
        return 0.0 if sent else min(self._policy.linger, self._policy.round_idle)

    async def _poll(self) -> float:
        return 0.2 if await self._settler.poll_round() else 1.0

    async def _ask(self) -> float:
        asked = await self._settler.ask_round()
        await self._settler.alarm_round()
        return 0.2 if asked else 1.0

    async def _stock(self) -> float:
        if await self._supply.round():
            self.supplied.set()
            return self._policy.supply_idle
        return self._policy.backoff_first

    async def _share(self) -> float:
        more, short = await self._shards.round(self._busy)
        if short:
            self._supply.hurry(short)
        if more or short:
            self._wake()
        return self._policy.shard_seconds / 3

    def _busy(self) -> set[str]:
        """Taxpayers with something under way: they are not let go meanwhile."""
        return set().union(*(worker.busy() for worker in self._workers()))

    async def _renew(self) -> float:
        await self._numbers.renew()
        return self._policy.lease_seconds / 3
