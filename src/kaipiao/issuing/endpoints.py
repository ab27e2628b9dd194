"""What this node knows of the addresses of the far side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class EndpointState:
    """One endpoint of a channel as its breaker sees it. `since`: of the present state. `cause`: code of the last failure,
    such as `connect.refused`. `slow`: it answers, but calls of it took too long."""

    channel: str
    endpoint: str  # scheme://host:port
    open: bool
    since: datetime
    failures: int = 0
    slow: bool = False
    cause: str | None = None
