"""One probe of one endpoint: a query or a health call, never an issue or an upload (R11), bounded in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kaipiao.authority.channel import Answer
from kaipiao.issuing.breaker import BreakerRules, Showed, showed
from kaipiao.issuing.wire import answer_of

Probe = Callable[[], Awaitable[Answer[None]]]

TIMEOUT = "breaker.probe_timeout"


async def probe_once(probe: Probe, channel: str, rules: BreakerRules) -> tuple[Showed, str | None]:
    """What it showed, and under which code."""
    try:
        async with asyncio.timeout(rules.probe_timeout_s):
            answer = await answer_of(probe(), channel, "health")
    except TimeoutError:
        return Showed.FAILED, TIMEOUT
    return showed(answer, rules.slow_s), answer.code
