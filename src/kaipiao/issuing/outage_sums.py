"""What was issued while an outage lasted: how much of it, what became of it, and the digest of its list. Bounded reads."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from kaipiao.clock import month_close, month_end
from kaipiao.ledger.outages import Made, OutageSums
from kaipiao.ledger.port import Ledger
from kaipiao.seal.digest import RunningSm3

PAGE = 1000  # invoices that are read at a time
LIST_FORM = "SM3 of the lines 'taxpayer,number,digest\\n' (digest: SM3 of the XML, hex), taxpayers ascending, of each the numbers ascending"


async def sums_by_taxpayer(
    ledger: Ledger,
    channel: str,
    taxpayers: Collection[str],
    first: datetime,
    end: datetime,
    window: float,
    now: datetime,
) -> dict[str, OutageSums]:
    """Of invoices made from `first` until `end` (exclusive), of those who issued any. `window`: seconds to upload in."""
    found = {}
    for taxpayer in taxpayers:
        total = OutageSums()
        for start, stop in months(first, end):
            made = Made(taxpayer, channel, start, stop)
            total += await ledger.outage_sums(made, timedelta(seconds=window), month_close(start), now)
        if total.issued:
            found[taxpayer] = total
    return found


async def list_digest(
    ledger: Ledger, channel: str, taxpayers: Collection[str], first: datetime, end: datetime
) -> bytes:
    """As `LIST_FORM` says. The numbers of one taxpayer are in memory at a time."""
    digest = RunningSm3()
    for taxpayer in sorted(taxpayers):
        found = await _listed(ledger, Made(taxpayer, channel, first, end))
        await asyncio.to_thread(_add, digest, taxpayer, found)
    return digest.digest()


def months(first: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The span cut where a month ends: each has its own close."""
    while first < end:
        stop = min(end, month_end(first))
        yield first, stop
        first = stop


async def _listed(ledger: Ledger, made: Made) -> list[tuple[str, bytes]]:
    """(number, digest) of each, in no order that means anything."""
    found: list[tuple[str, bytes]] = []
    after = (made.first - timedelta(seconds=1), 0)
    while page := await ledger.outage_invoices(made, after, PAGE):
        found += [(one.number, one.digest) for one in page]
        after = (page[-1].made_at, page[-1].id)
    return found


def _add(digest: RunningSm3, taxpayer: str, found: list[tuple[str, bytes]]) -> None:
    found.sort()
    for start in range(0, len(found), PAGE):
        part = found[start : start + PAGE]
        digest.update("".join(f"{taxpayer},{number},{one.hex()}\n" for number, one in part).encode())
