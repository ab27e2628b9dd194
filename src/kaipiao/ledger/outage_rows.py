"""Outages to rows and back, for ledgers in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kaipiao.invoice.lifecycle import DEBT
from kaipiao.ledger.outages import ListedInvoice, OutageRow, OutageSums
from kaipiao.ledger.rows import instant, stored_instant
from kaipiao.ledger.trail import instant_of, microseconds

OUTAGE_COLUMNS = ("id", "channel", "begun_at", "back_at", "drained_at", "closed_at", "detail", "report")
_STATES = ", ".join(sorted(f"'{state}'" for state in DEBT))
LAST_ID = 2**63 - 1
# Of invoices in the span; the three parameters are named by the adapters.
SUMS = f"""
count(*),
coalesce(sum(CASE WHEN state = 'confirmed' THEN 1 ELSE 0 END), 0),
coalesce(sum(CASE WHEN state IN ({_STATES}) THEN 1 ELSE 0 END), 0),
coalesce(sum(CASE WHEN state = 'expired'
    OR coalesce(accepted_at, CASE WHEN state IN ({_STATES}) THEN {{now}} ELSE 0 END) > made_at + {{window}}
    OR coalesce(accepted_at, CASE WHEN state IN ({_STATES}) THEN {{now}} ELSE 0 END) >= {{closes}} THEN 1 ELSE 0 END), 0)
"""


def outage_row(outage: OutageRow) -> tuple[object, ...]:
    """The values of `OUTAGE_COLUMNS`."""
    return (
        outage.id, outage.channel, microseconds(outage.begun_at), stored_instant(outage.back_at),
        stored_instant(outage.drained_at), stored_instant(outage.closed_at), outage.detail, outage.report,
    )  # fmt: skip


def outage_of(row: Sequence[Any]) -> OutageRow:
    identity, channel, begun, back, drained, closed, detail, report = row
    stamps = (instant_of(begun), instant(back), instant(drained), instant(closed))
    return OutageRow(identity, channel, *stamps, detail, bytes(report))


def sums_of(row: Sequence[Any]) -> OutageSums:
    return OutageSums(*(int(value) for value in row))


def listed_of(row: Sequence[Any]) -> ListedInvoice:
    made_at, identity, number, digest = row
    return ListedInvoice(instant_of(made_at), identity, number, bytes(digest))
