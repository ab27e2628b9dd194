"""What the database has, for a round of admissions: read at once, under locks that hold until the commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kaipiao.ledger.desk import BlockSeen
from kaipiao.ledger.port import Admission, InvoiceRecord
from kaipiao.ledger.postgresql import statements as sql
from kaipiao.ledger.postgresql.rows import columns, order_digest, record_of
from kaipiao.ledger.postgresql.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Found:
    """`Facts` for the desk."""

    records: dict[tuple[str, str], InvoiceRecord]
    open_uploads: set[tuple[str, int]]
    blocks: dict[tuple[str, int], BlockSeen]
    numbers: set[tuple[str, str]]
    accounts: dict[tuple[str, str, str], int]
    quotas: dict[tuple[str, int], int]

    def live(self, taxpayer: str, order: str) -> InvoiceRecord | None:
        return self.records.get((taxpayer, order))

    def under_way(self, record: InvoiceRecord) -> bool:
        return (record.taxpayer, record.id) in self.open_uploads

    def taken(self, record: InvoiceRecord) -> int:
        return self.quotas.get((record.taxpayer, record.id), 0)

    def block(self, taxpayer: str, block: int) -> BlockSeen | None:
        return self.blocks.get((taxpayer, block))

    def is_used(self, taxpayer: str, number: str) -> bool:
        return (taxpayer, number) in self.numbers

    def left(self, taxpayer: str, channel: str, month: str) -> int:
        return self.accounts.get((taxpayer, channel, month), 0)


async def facts_of(transaction: Transaction, items: Sequence[Admission]) -> Found:
    """Locks first, in one order for everybody: invoices that may change, blocks (shared), accounts. What they guard is
    read after."""
    replaced = sorted({(a.taxpayer, a.replaces) for a in items if a.replaces is not None})
    numbered = {(a.taxpayer, a.id) for a in items if a.number is not None}  # those of them that are there already
    if changing := sorted(numbered.union(replaced)):
        await transaction.rows(sql.LOCK_INVOICES, *columns(changing, 2))
    blocks = await _blocks(transaction, items)
    accounts = await _accounts(transaction, items)
    orders = sorted({(a.taxpayer, order_digest(a.order)) for a in items})
    records = [record_of(row) for row in await transaction.rows(sql.LIVE_BY_ORDERS, *columns(orders, 2))]
    numbers = sorted({(a.taxpayer, a.number) for a in items if a.number is not None})
    given = await transaction.rows(sql.NUMBERS_GIVEN, *columns(numbers, 2)) if numbers else []
    under_way = await transaction.rows(sql.UNDER_WAY, *columns(replaced, 2)) if replaced else []
    quotas = await transaction.rows(sql.TAKEN_QUOTAS, *columns(replaced, 2)) if replaced else []
    return Found(
        {(record.taxpayer, record.order): record for record in records},
        {(taxpayer, invoice) for taxpayer, invoice in under_way},
        blocks,
        {(taxpayer, number) for taxpayer, number in given},
        accounts,
        {(taxpayer, invoice): quota for taxpayer, invoice, quota in quotas},
    )


async def _blocks(transaction: Transaction, items: Sequence[Admission]) -> dict[tuple[str, int], BlockSeen]:
    wanted = sorted({(a.taxpayer, a.block) for a in items if a.block is not None})
    if not wanted:
        return {}
    found = await transaction.rows(sql.SHARE_BLOCKS, *columns(wanted, 2))
    return {(taxpayer, block): BlockSeen(*seen) for taxpayer, block, *seen in found}


async def _accounts(transaction: Transaction, items: Sequence[Admission]) -> dict[tuple[str, str, str], int]:
    wanted = sorted({(a.taxpayer, a.channel, a.month) for a in items if a.quota or a.replaces is not None})
    if not wanted:
        return {}
    found = await transaction.rows(sql.LOCK_ACCOUNTS, *columns(wanted, 3))
    return {(taxpayer, channel, month): left for taxpayer, channel, month, left in found}
