"""The breakers of this node: who may call which channel now, what the calls showed, which endpoint the next one uses.

Every change is an event, once. A node that starts has all its breakers closed: what `node.started` follows in the trail is over.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from kaipiao.authority.channel import Answer, Channel
from kaipiao.authority.endpoints import Endpoints
from kaipiao.clock import Clock
from kaipiao.issuing.breaker import Breaker, BreakerRules, Showed, showed
from kaipiao.issuing.deadlines import upload_closes
from kaipiao.issuing.endpoints import EndpointState
from kaipiao.issuing.errands import Errands
from kaipiao.issuing.notices import Notices
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.probes import Probe, probe_once

log = logging.getLogger(__name__)

T = TypeVar("T")

IDLE = 60.0  # seconds of the platform's clock between looks while nothing is open; what opens wakes the loop
LOOK = 30.0  # between looks at the deadlines of what waits


@dataclass(frozen=True, slots=True)
class FarSide:
    """A channel's addresses and how each is probed. `probe` must be a query or a health call (R11)."""

    endpoints: Endpoints
    probe: Callable[[str], Awaitable[Answer[None]]]


def far_sides(channels: Mapping[str, Channel]) -> dict[str, FarSide]:
    """Channels with one address each, which bears the channel's name."""
    return {name: _alone(name, channel) for name, channel in channels.items()}


def _alone(name: str, channel: Channel) -> FarSide:
    return FarSide(Endpoints([f"https://{name}"]), lambda _: channel.health())


class Breakers:
    """`oldest_debts`: of taxpayers, made_at of the oldest invoice that is not settled; so probes hurry before its window
    closes. `wake` is called at every change: there is something to probe, or calls may go on. `on_open` is told channel,
    endpoint and cause, `on_probe` channel, endpoint and what it showed."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        clock: Clock,
        policy: Policy,
        notices: Notices,
        rules: BreakerRules | None = None,
        fars: Mapping[str, FarSide] | None = None,
        oldest_debts: Callable[[Collection[str]], Awaitable[dict[str, datetime]]] | None = None,
        taxpayers: Callable[[], Collection[str]] = tuple,
        chance: random.Random | None = None,
    ) -> None:
        self._channels = channels
        self._clock = clock
        self._notices = notices
        self._rules = rules or BreakerRules()
        self._fars = fars or far_sides(channels)
        self._oldest_debts = oldest_debts
        self._taxpayers = taxpayers
        chance = chance or random.Random()  # noqa: S311 - it spreads probes, it hides nothing
        self._breakers = {
            (name, endpoint): Breaker(self._rules, clock.now(), chance)
            for name, far in self._fars.items()
            for endpoint in far.endpoints.names
        }
        self._current = {name: far.endpoints.names[0] for name, far in self._fars.items()}
        self._probes = Errands("prober", clock, policy)
        self._closes: datetime | None = None  # the nearest upload window of what waits
        self._looked = clock.now() - timedelta(seconds=LOOK)
        self.wake: Callable[[], None] = lambda: None
        self.on_open: list[Callable[[str, str, str | None], None]] = []
        self.on_probe: list[Callable[[str, str, Showed], None]] = []
        for name, far in self._fars.items():
            far.endpoints.usable = partial(self._usable, name)

    def states(self) -> tuple[EndpointState, ...]:
        """Every endpoint as this node sees it."""
        return tuple(
            EndpointState(channel, endpoint, b.open, b.since, b.failures, b.slow, b.cause)
            for (channel, endpoint), b in self._breakers.items()
        )

    def is_open(self, channel: str) -> bool:
        """Whether no endpoint of the channel may be called."""
        return channel in self._fars and not self._usable(channel)

    def may_call(self, channel: str) -> bool:
        """Whether a call may begin now. True for a channel that is not configured: others tell that."""
        if channel not in self._fars:
            return True
        usable = self._usable(channel)
        return bool(usable) and self._breakers[(channel, usable[0])].may_begin(self._clock.now())

    def enter(self, channel: str) -> Call | None:
        """A place for one call; None when it may not begin."""
        if not self.may_call(channel):
            return None
        for endpoint in list(self._usable(channel))[:1] if channel in self._fars else ():
            self._breakers[(channel, endpoint)].begun(self._clock.now())
        return Call(self, channel)

    async def round(self) -> float:
        """Write down what changed, probe what is open. Returns seconds until there is something to do."""
        now = self._clock.now()
        await self._notices.flush()
        waiting = [(key, breaker) for key, breaker in self._breakers.items() if breaker.open]
        if waiting:
            await self._look(now)
        hurry = self._hurries(now)
        for key, breaker in waiting:
            if self._probes.is_free(key) and breaker.begin_probe(now, hurry):
                self._probes.start(key, partial(self._probe, *key, breaker))
        await self._probes.wait()
        await self._notices.flush()
        pauses = [(b.probe_at(hurry) - now).total_seconds() for b in self._breakers.values() if b.open]
        return max(0.2, min([IDLE, *pauses]))

    async def close(self, grace: float) -> None:
        """A probe under way gets `grace` real seconds."""
        await self._probes.close(grace)
        await self._notices.flush()

    async def _probe(self, channel: str, endpoint: str, breaker: Breaker) -> int:
        probe: Probe = partial(self._fars[channel].probe, endpoint)
        what, code = Showed.NOTHING, None
        try:
            what, code = await probe_once(probe, channel, self._rules)
        finally:
            now, since = self._clock.now(), breaker.since
            breaker.probed(what, code, now)
            for told in self.on_probe:
                told(channel, endpoint, what)
        if not breaker.open:
            self._closed(channel, endpoint, breaker, since, now)
        return 1

    async def _look(self, now: datetime) -> None:
        """When the nearest upload window closes of what waits with us."""
        if self._oldest_debts is None or now - self._looked < timedelta(seconds=LOOK):
            return
        self._looked = now
        debts = (await self._oldest_debts(list(self._taxpayers()))).values()
        least = [upload_closes(made_at, c.capabilities) for made_at in debts for c in self._channels.values()]
        self._closes = min((closes for closes in least if closes > now), default=None)

    def _hurries(self, now: datetime) -> bool:
        return self._closes is not None and self._closes - now <= timedelta(seconds=self._rules.hurry_s)

    def _usable(self, channel: str) -> Sequence[str]:
        """The endpoints that may be called, the one in use first. Back to a preferred one when it has held for a while."""
        names = self._fars[channel].endpoints.names
        usable = [name for name in names if not self._breakers[(channel, name)].open]
        if not usable:
            return ()
        now, former = self._clock.now(), self._current[channel]
        best = next((n for n in usable if n == former or self._is_steady(channel, n, now)), usable[0])
        if former not in usable or names.index(best) < names.index(former):
            self._current[channel] = best
            if best != former:
                self._switched(channel, best, former, now)
        current = self._current[channel]
        return [current, *(name for name in usable if name != current)]

    def _is_steady(self, channel: str, endpoint: str, now: datetime) -> bool:
        return now - self._breakers[(channel, endpoint)].since >= timedelta(seconds=self._rules.steady_s)

    def _heard(self, channel: str, endpoint: str, what: Showed, code: str | None, era: int) -> None:
        breaker = self._breakers[(channel, endpoint)]
        was_open, was_slow, now = breaker.open, breaker.slow, self._clock.now()
        breaker.heard(what, code, era, now)
        if breaker.open and not was_open:
            self._opened(channel, endpoint, breaker, now)
        elif was_slow and not breaker.slow:
            self._notices.add("endpoint.quick", now, channel=channel, endpoint=endpoint)

    def _opened(self, channel: str, endpoint: str, breaker: Breaker, now: datetime) -> None:
        told = {"channel": channel, "endpoint": endpoint, "cause": breaker.cause, "failures": breaker.failures}
        log.error("breaker opened", extra=told)
        self._notices.add("breaker.opened", now, **told)
        for hook in self.on_open:
            hook(channel, endpoint, breaker.cause)
        self.wake()

    def _closed(self, channel: str, endpoint: str, breaker: Breaker, since: datetime, now: datetime) -> None:
        seconds = int((now - since).total_seconds())
        told: dict[str, str | int | bool | None] = {"channel": channel, "endpoint": endpoint, "seconds": seconds}
        log.warning("breaker closed", extra={**told, "slow": breaker.slow})
        self._notices.add("breaker.closed", now, **told)
        if breaker.slow:
            self._notices.add("endpoint.slow", now, channel=channel, endpoint=endpoint)
        self.wake()

    def _switched(self, channel: str, endpoint: str, former: str, now: datetime) -> None:
        told = {"channel": channel, "endpoint": endpoint, "former": former}
        log.warning("another endpoint is used", extra=told)
        self._notices.add("endpoint.switched", now, **told)
        self.wake()


class Call:
    """One call's place."""

    def __init__(self, breakers: Breakers, channel: str) -> None:
        self._breakers = breakers
        self._channel = channel
        self._eras = {e: b.era for (c, e), b in breakers._breakers.items() if c == channel}

    def still_may(self) -> bool:
        """Whether it may yet begin: the breaker did not open since the place was given."""
        return not self._breakers.is_open(self._channel)

    def heard(self, answer: Answer[T]) -> None:
        """What it showed, of each endpoint that it tried."""
        line = answer.timeline
        for missed in line.missed if line else ():
            self._note(missed.endpoint, Showed.FAILED, missed.code)
        endpoint = (line.endpoint if line else "") or next(iter(self._eras), "")
        self._note(endpoint, showed(answer, self._breakers._rules.slow_s), answer.code)

    def _note(self, endpoint: str, what: Showed, code: str | None) -> None:
        if endpoint in self._eras:
            self._breakers._heard(self._channel, endpoint, what, code, self._eras[endpoint])
