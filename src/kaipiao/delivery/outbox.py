"""Messages that are in the ledger, on their way out: leased, sent, tried again, by the next channel of their route.

At least once: a node that dies after a message went out and before that was stored leaves it to be sent again, with the same key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from kaipiao.clock import Clock
from kaipiao.delivery.port import Notice, Notifier, Outcome, Verdict
from kaipiao.issuing import trail
from kaipiao.ledger.alarms import Message, MessageState
from kaipiao.ledger.port import Ledger

log = logging.getLogger(__name__)
AT_ONCE = 8
LEASE = 120.0  # seconds of the ledger's clock: longer than the longest try
LOOK = 1.0  # real seconds
FIRST, MOST = 10.0, 900.0  # seconds between rounds over the channels of a route
PATIENCE = 60.0  # so long one waits for the turn of a channel before the next one is tried
TROUBLE = 2  # failures in a row that are told; a refusal is told at once
SORT = "delivery"


class Outbox:
    """`routes`: severity → channels in turn. `count`: told of every try, by channel and outcome."""

    def __init__(
        self,
        ledger: Ledger,
        node: str,
        notifiers: Mapping[str, Notifier],
        routes: Mapping[str, Sequence[str]],
        give_up: timedelta,
        clock: Clock,
        wall: Clock,
        *,
        may_send: Callable[[], bool] = lambda: True,
        count: Callable[[str, str], None] = lambda channel, outcome: None,
    ) -> None:
        """`clock`: the platform's. `wall`: real time, by which messages are old. `may_send`: this node has the desk; the rates
        of the channels are then kept in one place."""
        self._ledger, self._node = ledger, node
        self._notifiers, self._routes, self._give_up = notifiers, routes, give_up
        self._clock, self._wall = clock, wall
        self._may_send, self._count = may_send, count
        self._oldest: datetime | None = None  # of the messages that wait
        self._failures: dict[str, int] = {}
        self._troubled: set[str] | None = None  # channels whose trouble was told; None: not read yet

    def age(self) -> float:
        """Seconds that the oldest message has waited; 0 where none does, or where another node sends them."""
        return 0.0 if self._oldest is None else max(0.0, (self._wall.now() - self._oldest).total_seconds())

    async def look(self) -> float:
        """Send what is due. Returns the seconds until the next look."""
        if not self._may_send():
            self._troubled = self._oldest = None  # another node may change it meanwhile
            return LOOK
        due = await self._ledger.lease_messages(self._node, self._wall.now(), LEASE, AT_ONCE)
        if due and self._troubled is None:
            self._troubled = await self._known_trouble()
        await asyncio.gather(*(self._try(message) for message in due))
        self._oldest = (await self._ledger.outbox()).oldest
        return 0.0 if len(due) == AT_ONCE else LOOK

    async def _try(self, message: Message) -> None:
        channels = [one for one in self._routes.get(message.route, ()) if one not in message.avoid]
        if not channels or self._wall.now() - message.made_at >= self._give_up:
            await self._given_up(message)
            return
        channel = channels[message.place % len(channels)]
        verdict = await self._notifiers[channel].send(notice_of(message))
        self._count(channel, "limited" if verdict.limited else str(verdict.outcome))
        after = self._after(replace(message, channel=channel), verdict, len(channels))
        if not await self._ledger.save_message(after):
            log.warning("a message was leased to another node meanwhile", extra={"key": message.key})
        await self._noted(channel, verdict)

    def _after(self, message: Message, verdict: Verdict, channels: int) -> Message:
        now = self._wall.now()
        if verdict.outcome is Outcome.DELIVERED:
            return replace(message, state=MessageState.SENT, ended_at=now, cause=None, tries=message.tries + 1)
        wait = timedelta(seconds=verdict.retry_after)
        if verdict.limited and verdict.retry_after <= PATIENCE:
            return replace(message, next_at=now + wait)
        place = message.place + 1
        rounds, begun = divmod(place, channels)
        rest = timedelta(seconds=0 if begun else min(MOST, FIRST * 2 ** min(rounds - 1, 20)))
        if channels == 1:
            rest = max(rest, wait)
        return replace(message, place=place, tries=message.tries + 1, cause=verdict.cause, next_at=now + rest)

    async def _given_up(self, message: Message) -> None:
        cause = message.cause or "no.channel"
        ended = replace(message, state=MessageState.GIVEN_UP, ended_at=self._wall.now(), cause=cause)
        if await self._ledger.save_message(ended):
            self._count(message.channel or "none", "given_up")
            log.error("a message was given up", extra={"key": message.key, "route": message.route, "cause": cause})
            data = {"route": message.route, "cause": cause, "message": message.key}
            await self._ledger.append_events([trail.platform("delivery.given_up", self._clock.now(), **data)])

    async def _noted(self, channel: str, verdict: Verdict) -> None:
        """Trouble of a channel is told once, and once when it is over."""
        troubled = self._troubled if self._troubled is not None else set()
        if verdict.outcome is Outcome.DELIVERED:
            self._failures.pop(channel, None)
            if channel in troubled:
                troubled.discard(channel)
                await self._tell("delivery.worked", channel=channel)
            return
        if verdict.limited:
            return
        log.warning("a message was not delivered", extra={"channel": channel, "cause": verdict.cause})
        failures = self._failures[channel] = self._failures.get(channel, 0) + 1
        if channel not in troubled and (verdict.outcome is Outcome.REFUSED or failures >= TROUBLE):
            troubled.add(channel)
            await self._tell("delivery.failed", channel=channel, cause=verdict.cause, node=self._node)

    def _tell(self, kind: str, **data: str | None) -> Awaitable[None]:
        return self._ledger.append_events([trail.platform(kind, self._clock.now(), **data)])

    async def _known_trouble(self) -> set[str]:
        """As it stands in the books: a node that begins goes on where another ended."""
        found = await self._ledger.alarms(open_only=True, limit=100_000)
        return {str(one.last.get("channel")) for one in found if one.name == SORT}


def notice_of(message: Message) -> Notice:
    return Notice(message.key, message.kind, message.title, message.text, message.made_at, message.data)
