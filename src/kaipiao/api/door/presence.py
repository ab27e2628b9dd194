"""Is the caller of a request still there? The protocol tells, who waits on the caller's behalf listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

KEY = "kaipiao.presence"  # in the scope of a request that came over a connection


class Presence:
    """Of the caller at the other end of one connection, whose requests are worked on one after another."""

    __slots__ = ("gone", "on_gone")

    def __init__(self) -> None:
        self.gone = False
        self.on_gone: Callable[[], None] | None = None

    def leave(self) -> None:
        """The connection is lost."""
        self.gone = True
        if self.on_gone is not None:
            self.on_gone()


def presence_of(scope: Mapping[str, Any]) -> Presence | None:
    """None where there is no connection to be lost."""
    found = scope.get(KEY)
    return found if isinstance(found, Presence) else None
