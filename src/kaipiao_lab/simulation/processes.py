"""Which process a callback belongs to. A killed one never runs again, a paused one goes on when it is woken.

Nothing is cancelled and no `finally` runs: that is what kill -9 and SIGSTOP do, and cancellation would not.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

_OWNER: contextvars.ContextVar[Process | None] = contextvars.ContextVar("simulated process", default=None)


@dataclass(eq=False)
class Process:
    """One run of one node. What it starts inherits it."""

    name: str
    alive: bool = True
    paused: bool = False
    held: list[Any] = field(default_factory=list)  # callbacks that would have run while it was paused or dead

    def spawn(self, work: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
        """Start `work` as something that this process does."""
        context = contextvars.copy_context()
        context.run(_OWNER.set, self)
        return asyncio.get_running_loop().create_task(work, name=name, context=context)


WORLD = contextvars.Context()  # of nobody: the bureau, the network, the clients


def owner_of(context: contextvars.Context) -> Process | None:
    return context.get(_OWNER)


def present() -> Process | None:
    """Whose code is running; None: the world's."""
    return _OWNER.get()
