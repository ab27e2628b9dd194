"""How an invoice stands while conditional changes of it are judged, the same for every database. Pure."""

from __future__ import annotations

from typing import NamedTuple

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.changes import check_advance
from kaipiao.ledger.port import Advance


class Standing(NamedTuple):
    state: State
    version: int
    number: str | None
    order: str

    def after(self, advance: Advance) -> Standing:
        """As the change, whose version holds, makes it. Raises `Internal` for what the lifecycle forbids."""
        check_advance(self.state, self.number, advance)
        given = advance.changes.get("number")
        number = given if self.number is None and isinstance(given, str) else self.number
        return Standing(advance.to, self.version + 1, number, self.order)

    def invoice_of_event(self, advance: Advance) -> int | None:
        """The invoice, when its order is the subject of the change's event."""
        event = advance.event
        of_order = event is not None and (event.taxpayer, event.subject) == (advance.taxpayer, self.order)
        return advance.id if of_order else None
