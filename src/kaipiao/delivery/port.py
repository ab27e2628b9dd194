"""What tells somebody something: the port `Notifier`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. `key`: the same for every try. `title`: one line. `text`: lines, Chinese first. `data`: the same for
    programs. `at`: real time, UTC."""

    key: str
    kind: str
    title: str
    text: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


class Outcome(StrEnum):
    DELIVERED = "delivered"
    REFUSED = "refused"  # the same again would be refused again
    LATER = "later"  # it may have arrived: the receiver tells by the key


@dataclass(frozen=True, slots=True)
class Verdict:
    """`cause`: a stable code such as `http.500`, `errcode.45009`, `connect`, `tls.untrusted`; never a part of an address, a
    key or an answer. `retry_after`: seconds, 0 where nothing was said. `limited`: nothing was sent, it is only too early."""

    outcome: Outcome
    cause: str | None = None
    retry_after: float = 0.0
    limited: bool = False


DELIVERED = Verdict(Outcome.DELIVERED)


def refused(cause: str) -> Verdict:
    return Verdict(Outcome.REFUSED, cause)


def later(cause: str, retry_after: float = 0.0) -> Verdict:
    return Verdict(Outcome.LATER, cause, retry_after)


def too_early(seconds: float) -> Verdict:
    """The channel's own rate is used up for so long."""
    return Verdict(Outcome.LATER, "rate", seconds, limited=True)


class Notifier(Protocol):
    """A way to tell somebody. One try each time: trying again is the outbox's."""

    @property
    def name(self) -> str: ...

    async def send(self, notice: Notice) -> Verdict:
        """Bounded in time. Raises nothing but defects."""
        ...
