"""Questions to the far side: each in its turn, only for a taxpayer that is ours, and what it showed is noted. An upload has a
way of its own (`uploader.py`): its claim lies between its turn and its call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from kaipiao.authority.channel import Answer
from kaipiao.issuing.breakers import Breakers
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.shards import Shards
from kaipiao.issuing.wire import answer_of

T = TypeVar("T")


class Calls:
    """`paces`: of each channel, by name."""

    def __init__(self, paces: Mapping[str, Pace], shards: Shards, breakers: Breakers) -> None:
        self._paces = paces
        self._shards = shards
        self._breakers = breakers

    async def ask(
        self, taxpayer: str, channel: str, service: str, call: Callable[[], Awaitable[Answer[T]]]
    ) -> Answer[T] | None:
        """The answer, or None when by the time it is its turn another node works for the taxpayer or the breaker lets nothing
        go. A pause that the far side asks for holds the taxpayer's next calls."""
        await self._paces[channel].turn(taxpayer)
        place = self._breakers.enter(channel) if self._shards.holds(taxpayer) else None
        if place is None:
            return None
        answer = await answer_of(call(), channel, service)
        place.heard(answer)
        if answer.retry_after:
            self._paces[channel].hold(taxpayer, answer.retry_after)
        return answer
