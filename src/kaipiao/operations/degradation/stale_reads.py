"""From L2 on, lists are read from a copy of the ledger that is hardly behind; else, and whenever it fails, from the ledger."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kaipiao.errors import LedgerFault
from kaipiao.ledger.lists import ListBooks, Seen
from kaipiao.operations.degradation.ladder import Level
from kaipiao.operations.degradation.own_writes import OwnWrites
from kaipiao.operations.degradation.replica_watch import ReplicaWatch
from kaipiao.operations.degradation.state import Degradation

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """`behind`: it may miss what was committed in the last so many seconds; None: it is the ledger's own answer."""

    value: T
    behind: float | None


class StaleReads:
    """`watch`: None where there is no copy."""

    def __init__(self, ledger: ListBooks, degradation: Degradation, watch: ReplicaWatch | None = None) -> None:
        self._ledger = ledger
        self._degradation = degradation
        self._watch = watch
        self._own = OwnWrites()

    def wrote(self, subject: str) -> None:
        """This caller may have changed something by now."""
        if self._watch is not None:
            self._own.note(subject)

    async def read(self, work: Callable[[ListBooks], Awaitable[T]], subject: str, *, fresh: bool = False) -> Found[T]:
        """`work` reads lists and nothing else, all of it from one place: when the copy fails on the way, it is done again, on
        the ledger. `subject`: who asks; what it wrote through this node is in the answer. `fresh`: from the ledger."""
        watch, seen = self._watch, None if fresh else self._seen(subject)
        if watch is not None and seen is not None:
            try:
                value = await work(watch.copy)
            except LedgerFault as error:
                log.info(
                    "read from the primary instead", extra={"code": error.code, "cause": error.facts.get("reason")}
                )
            else:
                return Found(value, time.monotonic() - seen.at)
        return Found(await work(self._ledger), None)

    def _seen(self, subject: str) -> Seen | None:
        """The look by which the copy may be read for this caller."""
        if self._watch is None or not self._degradation.at_least(Level.L2):
            return None
        seen = self._watch.usable()
        return None if seen is None or self._own.since(subject, seen.at) else seen
