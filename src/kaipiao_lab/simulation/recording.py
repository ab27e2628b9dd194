"""The operations that the ledger carried out, in the order in which it did: the same again can be asked of another ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from kaipiao.errors import KaipiaoError
from kaipiao.ledger.memory import MemoryLedger


@dataclass(frozen=True, slots=True)
class Deed:
    """One operation. `at`: the ledger's own clock. `result`: what it gave, or the error that it raised."""

    name: str
    values: tuple[Any, ...]
    named: dict[str, Any]
    at: float
    result: Any


@dataclass
class Recording:
    clock: Callable[[], float]
    deeds: list[Deed] = field(default_factory=list)

    def of(
        self, ledger: MemoryLedger, name: str, operation: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """The operation, written down. The memory ledger carries each out without a pause, so their order is this one."""

        async def done(*values: Any, **named: Any) -> Any:
            try:
                result = await operation(*values, **named)
            except KaipiaoError as error:
                self.deeds.append(Deed(name, values, named, self.clock(), error))
                raise
            self.deeds.append(Deed(name, values, named, self.clock(), copy(result)))  # it is the caller's from now on
            return result

        return done
