"""What tests of the ledger start from: an adapter with two nodes on one ledger, numbers, quota, orders.

A further adapter joins the contract suite by one more entry in `ADAPTERS`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import pytest

from kaipiao.invoice.lifecycle import State
from kaipiao.ledger.memory import MemoryLedger, MemoryStore
from kaipiao.ledger.port import (
    Admission,
    AdmitOutcome,
    Advance,
    Block,
    EventDraft,
    InvoiceRecord,
    Ledger,
    QuotaRequest,
    SealedDocument,
    SegmentRequest,
    Upload,
    UploadEnd,
    Value,
)
from kaipiao.ledger.postgresql import PostgresqlLedger
from kaipiao.ledger.sqlite import SqliteLedger
from postgresql_server import database_url, emptied

TAXPAYER = "91330106MA2CFLDG4R"
OTHER_TAXPAYER = "91110108MA01KPFK5X"
CHANNEL = "leqi"
YEAR = 2026
MONTH = "2026-03"
NOW = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
DOCUMENT = SealedDocument(b"<x/>", b'{"i":1}', b"d" * 32, b"s" * 70, "seal-1", "SM2-SM3")


class CheckedLedger(Ledger, Protocol):
    """The port, and the sums that tests look at."""

    async def check_counts(self) -> list[str]: ...


class LeaseClock:
    """Seconds that stand still until a test moves them."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def number(serial: int) -> str:
    return f"26{serial:018d}"


@dataclass
class Books:
    """Two nodes on one ledger, with the helpers of a test."""

    ledger: CheckedLedger
    other: CheckedLedger
    lease_clock: LeaseClock
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    pulled: int = 0

    async def pull(self, count: int = 10, *, taxpayer: str = TAXPAYER, year: int = YEAR) -> None:
        """Numbers from the bureau: the next `count` of this bench."""
        serial = f"n{next(self.ids)}"
        await self.ledger.open_segment_request(SegmentRequest(taxpayer, CHANNEL, year, serial, count), NOW)
        first, self.pulled = self.pulled + 1, self.pulled + count
        await self.ledger.fill_segment(taxpayer, serial, number(first), number(self.pulled), NOW)

    async def download(self, amount: str | int, *, taxpayer: str = TAXPAYER) -> None:
        serial = f"q{next(self.ids)}"
        request = QuotaRequest(taxpayer, CHANNEL, MONTH, serial, Decimal(amount))
        await self.ledger.open_quota_request(request, NOW)
        await self.ledger.fill_quota(taxpayer, serial, Decimal(amount), NOW, NOW + timedelta(days=20), NOW)

    async def lease(self, node: str = "a", size: int = 10, *, taxpayer: str = TAXPAYER, year: int = YEAR) -> Block:
        block = await self.ledger.lease_block(taxpayer, CHANNEL, year, node, size, 30)
        assert block is not None
        return block

    async def block(self, count: int = 10) -> Block:
        await self.pull(count)
        return await self.lease(size=count)

    def order(self, block: Block, position: int = 0, /, **changes: object) -> Admission:
        """An order with a number of the block."""
        identity = next(self.ids)
        admission = Admission(
            id=identity, taxpayer=block.taxpayer, order=f"order-{identity}", channel=CHANNEL, kind="special",
            content=b'{"order":1}', content_digest=b"c" * 32, amount=Decimal("100.00"), tax=Decimal("13.00"),
            total=Decimal("113.00"), made_at=NOW, month=MONTH, number=block.numbers[position], block=block.id,
            epoch=block.epoch, document=DOCUMENT, next_at=NOW, deadline=NOW + timedelta(hours=48),
        )  # fmt: skip
        return replace(admission, **changes)  # type: ignore[arg-type]

    def unnumbered(self, **changes: object) -> Admission:
        identity = next(self.ids)
        admission = Admission(
            id=identity, taxpayer=TAXPAYER, order=f"order-{identity}", channel=CHANNEL, kind="special",
            content=b"{}", content_digest=b"c" * 32, amount=Decimal(1), tax=Decimal(0), total=Decimal(1),
            made_at=NOW, month=MONTH, state=State.ACCEPTED,
        )  # fmt: skip
        return replace(admission, **changes)  # type: ignore[arg-type]

    async def admit(self, *admissions: Admission) -> list[InvoiceRecord]:
        results = await self.ledger.admit(admissions)
        assert [r.outcome for r in results] == [AdmitOutcome.ADMITTED] * len(admissions)
        return [r.record for r in results if r.record is not None]

    async def upload(self, limit: int = 100, *, node: str = "a", now: datetime = NOW) -> Upload | None:
        identity = next(self.ids)
        return await self.ledger.begin_upload(identity, f"w{identity}", TAXPAYER, CHANNEL, node, limit, now)

    async def advance(self, record: InvoiceRecord, to: State, **changes: Value) -> InvoiceRecord:
        assert await self.ledger.advance([advance(record, to, **changes)]) == [True]
        return await self.again(record)

    async def again(self, record: InvoiceRecord) -> InvoiceRecord:
        """The record as it stands now."""
        (found,) = await self.ledger.page(record.taxpayer, after=record.id - 1, limit=1)
        assert found.id == record.id
        return found


def advance(record: InvoiceRecord, to: State, **changes: Value) -> Advance:
    event = EventDraft(f"state.{to}", NOW, record.taxpayer, record.order)
    return Advance(record.taxpayer, record.id, record.version, to, changes, event)


def upload_end(upload: Upload, outcome: str = "ok", **changes: object) -> UploadEnd:
    attempts = {record.id: outcome for record in upload.records}
    end = UploadEnd(upload.id, upload.taxpayer, NOW, "answer", 99, outcome, None, "sub-1", "[]", attempts)
    return replace(end, **changes)  # type: ignore[arg-type]


# --- adapters -------------------------------------------------------------------------------------------------------

Pair = AbstractAsyncContextManager[tuple[CheckedLedger, CheckedLedger]]


@asynccontextmanager
async def memory_pair(folder: Path, clock: LeaseClock) -> AsyncIterator[tuple[CheckedLedger, CheckedLedger]]:
    store = MemoryStore()
    yield MemoryLedger("node-a", clock, store=store), MemoryLedger("node-b", clock, store=store)


@asynccontextmanager
async def sqlite_pair(folder: Path, clock: LeaseClock) -> AsyncIterator[tuple[CheckedLedger, CheckedLedger]]:
    """One process has the file to itself, so both nodes use one handle."""
    ledger = SqliteLedger(folder / "data", "node-a", lease_clock=clock)
    await ledger.open()
    try:
        yield ledger, ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def postgresql_pair(folder: Path, clock: LeaseClock) -> AsyncIterator[tuple[CheckedLedger, CheckedLedger]]:
    """Two nodes on one database, which is empty at first."""
    url = database_url()
    first, second = (PostgresqlLedger(url, f"node-{n}", pool_min=1, pool_max=8, lease_clock=clock) for n in "ab")
    await first.open()
    try:
        await emptied(url)
        await second.open()
        try:
            yield first, second
        finally:
            await second.close()
    finally:
        await first.close()


ADAPTERS: dict[str, Callable[[Path, LeaseClock], Pair]] = {
    "memory": memory_pair,
    "postgresql": postgresql_pair,
    "sqlite": sqlite_pair,
}


@asynccontextmanager
async def books_of(adapter: str, folder: Path) -> AsyncIterator[Books]:
    """Books that must add up when the test is over, whatever it did."""
    clock = LeaseClock()
    async with ADAPTERS[adapter](folder, clock) as (ledger, other):
        yield Books(ledger, other, clock)
        assert await ledger.check_counts() == []


def on_every_ledger(test: Callable[[Books], Awaitable[None]]) -> Callable[..., None]:
    """Run an async test of the port on every adapter."""

    @pytest.mark.parametrize("adapter", sorted(ADAPTERS))
    def run(adapter: str, tmp_path: Path) -> None:
        async def whole() -> None:
            async with books_of(adapter, tmp_path) as books:
                await test(books)

        asyncio.run(whole())

    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(run, name, getattr(test, name))
    return run


def outcomes(results: Sequence[object]) -> list[object]:
    return [getattr(result, "outcome", None) for result in results]
