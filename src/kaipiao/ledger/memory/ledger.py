"""The memory adapter as a whole."""

from __future__ import annotations

from kaipiao.ledger.memory.accounts import Accounts
from kaipiao.ledger.memory.admissions import Admissions
from kaipiao.ledger.memory.alarms import Alarms
from kaipiao.ledger.memory.continuity import Continuity
from kaipiao.ledger.memory.counts import contradictions
from kaipiao.ledger.memory.month_books import Months
from kaipiao.ledger.memory.numbers import Numbers
from kaipiao.ledger.memory.outages import Outages
from kaipiao.ledger.memory.quotas import Quotas
from kaipiao.ledger.memory.reading import Reading
from kaipiao.ledger.memory.requests import Requests
from kaipiao.ledger.memory.revocations import Revocations
from kaipiao.ledger.memory.shards import Shards
from kaipiao.ledger.memory.trail import Trail
from kaipiao.ledger.memory.uploads import Uploads


class MemoryLedger(
    Numbers,
    Quotas,
    Admissions,
    Reading,
    Outages,
    Shards,
    Uploads,
    Trail,
    Accounts,
    Requests,
    Revocations,
    Continuity,
    Months,
    Alarms,
):
    """`Ledger` in memory. Handles that share a `MemoryStore` are nodes on one ledger."""

    async def open(self) -> None:
        """Nothing to open: the store is there as long as its handles are."""

    async def close(self) -> None:
        """Nothing to close: every operation was a commit of its own."""

    async def check_counts(self) -> list[str]:
        """What in the books contradicts itself: empty, always."""
        return contradictions(self.store)
