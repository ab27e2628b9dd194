"""A transaction as operations see it: statements, and events that are chained as they are appended."""

from __future__ import annotations

from typing import Any

from kaipiao.ledger.port import EventDraft
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.moves import Moves
from kaipiao.ledger.postgresql.texts import stored
from kaipiao.ledger.trail import ChainTip, chained, data_text, microseconds


class TipMoved(Exception):
    """The chain in the database does not end where this writer believed: an earlier commit of its own, whose fate was not
    known, has arrived. Nothing was stored; with the tip read again it can be tried again."""


class ChainedEvents:
    """Events on their way into the database, one column per list."""

    def __init__(self, tip: ChainTip) -> None:
        self.before = tip
        self.tip = tip
        self.columns: tuple[list[Any], ...] = ([], [], [], [], [], [], [], [])

    def append(self, draft: EventDraft, invoice: int | None = None) -> None:
        """Chain an event. `invoice` is the one whose order is the event's subject."""
        data = data_text(draft.data)
        previous, self.tip = self.tip.hash, chained(self.tip, draft, data)
        row = (
            draft.taxpayer, draft.kind, microseconds(draft.at), stored(draft.subject), invoice, data, previous,
            self.tip.hash,
        )  # fmt: skip
        for column, value in zip(self.columns, row, strict=True):
            column.append(value)

    @property
    def ends(self) -> tuple[str, int, bytes, int, bytes]:
        """Writer, the tip before and the tip after."""
        return (self.tip.writer, self.before.sequence, self.before.hash, self.tip.sequence, self.tip.hash)

    @property
    def instants(self) -> list[int]:
        """When they took place, in microseconds since 1970."""
        return self.columns[2]


class Transaction:
    """What an operation may do between BEGIN and COMMIT."""

    def __init__(self, connection: Any, tip: ChainTip) -> None:
        self._connection = connection
        self.events = ChainedEvents(tip)
        self.moves = Moves()

    async def execute(self, statement: str, *parameters: object) -> int:
        """Returns how many rows it changed."""
        status: str = await self._connection.execute(statement, *parameters)
        return int(status.rpartition(" ")[2])

    async def rows(self, statement: str, *parameters: object) -> list[Any]:
        found: list[Any] = await self._connection.fetch(statement, *parameters)
        return found

    async def row(self, statement: str, *parameters: object) -> Any | None:
        """The first row, or None."""
        return await self._connection.fetchrow(statement, *parameters)

    async def value(self, statement: str, *parameters: object) -> Any:
        """The first column of the first row, or None."""
        return await self._connection.fetchval(statement, *parameters)

    def append(self, draft: EventDraft, invoice: int | None = None) -> None:
        self.events.append(draft, invoice)

    async def store_events(self) -> None:
        """Write what was appended, and how many invoices moved. Raises `TipMoved`."""
        if not self.events.instants and not self.moves:
            return
        written = (*self.events.ends, *self.events.columns, *self.moves.columns)
        if not await self.value(sql.STORE_EVENTS, *written):
            raise TipMoved
