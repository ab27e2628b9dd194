"""ANALYZE after migration and after growth: PostgreSQL plans by what it was told about the tables, and our plans are kept."""

from __future__ import annotations

from kaipiao.ledger.postgresql.session import Session

FIRST_GROWTH = 10_000  # admissions
PATIENCE = 600.0  # seconds
_FACTOR = 10
_ANALYZE = """
ANALYZE taxpayer, number_segment, number_block, number_entry, order_key, quota, quota_request, quota_entry, invoice, state_count,
    document, upload, attempt, event, chain_tip, chain_head
"""


class Statistics:
    """Due after the first growth since opening, then each time ten times as much was admitted."""

    def __init__(self) -> None:
        self._admitted = 0
        self._next = FIRST_GROWTH

    def due_after(self, admitted: int) -> bool:
        """So many more were admitted; is it time?"""
        self._admitted += admitted
        if self._admitted < self._next:
            return False
        self._next *= _FACTOR
        return True


async def gather(session: Session) -> None:
    """Look at every table again. Plans that are kept are made anew by it."""
    await session.connection.execute(_ANALYZE)
