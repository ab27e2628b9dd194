"""Connecting to one of several addresses, both families in turn (after RFC 8305): the next begins when the one before has
failed or has been silent for a moment, and the first that is connected is taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import zip_longest

from kaipiao.authority.transport.readiness import Readiness, connect
from kaipiao.authority.transport.resolve import Address

STAGGER = 0.25  # seconds, RFC 8305 section 5


def in_turn(addresses: Sequence[Address]) -> list[Address]:
    """The families alternate, each in its own order, the first one's family first."""
    family = addresses[0].family if addresses else 0
    first = [address for address in addresses if address.family == family]
    others = [address for address in addresses if address.family != family]
    return [address for pair in zip_longest(first, others) for address in pair if address is not None]


async def connect_any(addresses: Sequence[Address], seconds: float, keep_alive: int) -> tuple[Readiness, Address]:
    """Within `seconds`. Raises the OSError of the last that failed."""
    end = time.monotonic() + seconds
    waiting, last = in_turn(addresses), OSError("no address")
    trying: dict[asyncio.Task[Readiness], Address] = {}
    try:
        while waiting or trying:
            if waiting:
                address = waiting.pop(0)
                task = asyncio.create_task(connect(address, end - time.monotonic(), keep_alive))
                trying[task] = address
            patience = STAGGER if waiting else None
            done, _ = await asyncio.wait(trying, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    return task.result(), trying.pop(task)
                del trying[task]
                if not isinstance(error, OSError):
                    raise error
                last = error
    finally:
        for task in trying:
            task.add_done_callback(_close)
            task.cancel()
    raise last


def _close(task: asyncio.Task[Readiness]) -> None:
    """Of one that lost the race; never waits."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
