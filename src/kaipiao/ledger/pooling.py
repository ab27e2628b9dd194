"""A ledger on a server tells how its connections are used. One in files has none and is not `Pooled`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """Connections of this node that are idle and in use, the most that there may be, and how many callers wait for one."""

    idle: int
    used: int
    most: int
    waiting: int


@runtime_checkable
class Pooled(Protocol):
    def sessions(self) -> SessionCounts:
        """As it is at this moment; all zero while the ledger is closed."""
        ...
