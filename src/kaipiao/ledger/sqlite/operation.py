"""An operation that waits for the writer: what to do, and who waits for its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kaipiao.ledger.sqlite.transaction import Transaction

Work = Callable[[Transaction], Any]
# Does the work of many operations in one go: their items in, one result for each out.
Together = Callable[[Transaction, Sequence[Any]], list[Any]]


@dataclass(slots=True)
class Operation:
    """`items` and `together` are set where operations of the same kind may be done as one."""

    work: Work
    waiting: asyncio.Future[Any]
    items: Sequence[Any] = ()
    together: Together | None = None
    result: Any = None
    error: Exception | None = field(default=None)

    def deliver(self) -> None:
        """Tell the one who waits; on the event loop. A caller that went away meanwhile changes nothing."""
        if self.waiting.done():
            return
        if self.error is not None:
            self.waiting.set_exception(self.error)
        else:
            self.waiting.set_result(self.result)


def deliver_all(operations: Sequence[Operation]) -> None:
    for operation in operations:
        operation.deliver()
