"""How late the event loop is: whatever it does for long, everything else on it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

BEAT_SECONDS = 0.1
FADES = 0.8  # what is left of a late beat in `lag` after the next one


class Pulse:
    """A timer that looks how late it was. `told` hears it at every beat. `lag`: seconds; the latest, or what is left of a
    worse one just before."""

    def __init__(self, told: Callable[[float], None]) -> None:
        self._told = told
        self._next: asyncio.TimerHandle | None = None
        self.lag = 0.0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + BEAT_SECONDS
        self._next = loop.call_at(due, self._beat, loop, due)

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _beat(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        late = max(0.0, loop.time() - due)
        self.lag = max(late, self.lag * FADES)
        self._told(late)
        self.start()
